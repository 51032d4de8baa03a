import type { Response } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import type { Principal } from '../../services/identity/principal.js';
import { unauthorized } from '../access/admission.js';
import type { RouteServices } from '../route-services.js';
import { requireConnectionRoom, requireKeyRoom } from '../sse/event-streams.js';
import { CredentialWatch } from '../ws/socket-connection.js';
import { requirePrincipal } from './request-context.js';

type Services = Pick<RouteServices, 'eventStreams' | 'delivery' | 'admission' | 'now'>;

export interface WaitingOptions {
  services: Services;
  response: Response;
  /** What ends its credential cuts it off, as if it had left. Otherwise it can be answered with the reason of `signal`. */
  cut: boolean;
}

/** A client that waits for an answer: a connection like others, which ends with its credential. */
export class WaitingClient {
  readonly principal: Principal;
  /** Aborted when the client has gone, or its credential has ended. */
  readonly signal: AbortSignal;
  readonly #leaving = new AbortController();
  readonly #response: Response;
  readonly #cut: boolean;
  #staysBehind = false;

  /** Throws `RATE_LIMITED` when the person has too many connections. */
  constructor({ services, response, cut }: WaitingOptions) {
    const { eventStreams, delivery, admission, now } = services;
    this.principal = requirePrincipal(response);
    this.#response = response;
    this.#cut = cut;
    this.signal = this.#leaving.signal;
    const { userId, key, expiresAt } = this.principal;
    const others = delivery.connectionsOf(userId) + eventStreams.countOf(userId);
    requireConnectionRoom(others, admission.limits.settings.connections);
    requireKeyRoom(key, eventStreams.countOfKey(key));
    const credential = new CredentialWatch({ now, onExpiring: () => {}, onExpired: () => this.expel() });
    eventStreams.add(this);
    response.once('close', () => {
      eventStreams.remove(this);
      credential.close();
      if (!response.writableFinished && !this.#staysBehind) this.#leaving.abort(gone());
    });
    credential.follow(expiresAt);
  }

  get unsent(): number {
    return this.#response.writableLength;
  }

  expel(): void {
    if (this.#cut) this.#response.destroy();
    else this.#leaving.abort(unauthorized('The credential is expired or revoked.'));
  }

  /** The daemon stops, and is about to cut the connection: the turn of a session goes on without it. */
  end(): void {
    this.#staysBehind = true;
  }
}

const gone = (): CompanionError => new CompanionError('CONFLICT', 'The client has gone.');
