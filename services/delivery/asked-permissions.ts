import type { EventData } from '../../protocol/events.js';
import type { EventRecord } from '../ports/records.js';
import { Frame } from './frame.js';
import type { StreamSink } from './frame-sink.js';
import { permissionCopyFrame } from './frames.js';

/** The permission requests sent on one stream: one from before its cursor is sent once, as a copy without `seq`. */
export class AskedPermissions {
  #asked: Set<string> | undefined;

  /** Records a sent event, which makes a copy of it unnecessary. */
  sent({ type, data }: EventRecord): void {
    if (type === 'permissionRequest') this.#add((JSON.parse(data) as EventData<'permissionRequest'>).permissionId);
  }

  sendOpen(open: readonly EventData<'permissionRequest'>[], sink: StreamSink): void {
    for (const data of open) {
      if (this.#asked?.has(data.permissionId)) continue;
      this.#add(data.permissionId);
      sink.send(new Frame(() => permissionCopyFrame(data)));
    }
  }

  #add(permissionId: string): void {
    this.#asked ??= new Set();
    this.#asked.add(permissionId);
  }
}
