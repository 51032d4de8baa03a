import { useState } from 'react';
import { changeDevice, listDevices, logout, revokeDevice, showMe } from '../../client/rest/index.js';
import type { DeviceView, MeView } from '../../protocol/auth.js';
import { LastingNotice } from '../parts/lasting-notice.js';
import { Loaded } from '../parts/loaded.js';
import { Moment } from '../parts/moment.js';
import { Page } from '../parts/page.js';
import { PassingForm } from '../parts/passing-form.js';
import { Refusal } from '../parts/refusal.js';
import { SureButton } from '../parts/sure-button.js';
import { useAction } from '../parts/use-action.js';
import { useLoad } from '../parts/use-load.js';
import { t } from '../strings/t.js';
import { useConsole } from './use-console.js';

/** Who is signed in here, and what else is paired. */
export function DevicesView() {
  const { link } = useConsole();
  const me = useLoad(showMe);
  const devices = useLoad(async (rest) => {
    const { devices: listed } = await listDevices(rest);
    return listed.toSorted((a, b) =>
      rankOf(b, link.credentials.deviceId).localeCompare(rankOf(a, link.credentials.deviceId)),
    );
  });
  return (
    <Page title={t('devices.title')}>
      <section aria-labelledby="me">
        <h2 id="me">{t('devices.me')}</h2>
        <Loaded of={me}>{(person) => <Me me={person} />}</Loaded>
      </section>
      <LastingNotice />
      <section aria-labelledby="list">
        <h2 id="list">{t('devices.list')}</h2>
        <Loaded of={devices}>
          {(listed) =>
            listed.length === 0 ? (
              <p className="quiet">{t('devices.none')}</p>
            ) : (
              <ul className="cards">
                {listed.map((device) => (
                  <li key={device.deviceId} className="item">
                    <Device device={device} onChanged={devices.again} />
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </section>
    </Page>
  );
}

/** This browser first, then by when it was seen; what is revoked comes last. */
function rankOf({ deviceId, lastSeenAt = '', revoked }: DeviceView, own: string): string {
  if (deviceId === own) return '2';
  return revoked ? `0${revoked.at}` : `1${lastSeenAt}`;
}

function Me({ me }: { me: MeView }) {
  const { link, leave } = useConsole();
  const action = useAction();
  const signOut = async () => {
    await logout(link.rest);
    await leave();
  };
  return (
    <div className="item">
      <p>
        <strong>{me.user.name ?? me.user.email}</strong> <span className="quiet">{t(`devices.role.${me.role}`)}</span>
      </p>
      <Refusal reason={action.refusal} />
      <SureButton
        label={t('devices.signOut')}
        question={t('devices.signOutSure')}
        isBusy={action.isBusy}
        onSure={() => void action.run(signOut)}
      >
        {t('devices.signOut')}
      </SureButton>
    </div>
  );
}

interface DeviceProps {
  device: DeviceView;
  onChanged: () => Promise<void>;
}

const nameOf = ({ name, deviceId }: DeviceView): string => name ?? deviceId;

function Device({ device, onChanged }: DeviceProps) {
  const { link } = useConsole();
  const [isRenaming, setRenaming] = useState(false);
  const isOwn = device.deviceId === link.credentials.deviceId;
  return (
    <>
      <h3>
        {nameOf(device)} {isOwn && <span className="tag">{t('devices.own')}</span>}
      </h3>
      <Facts device={device} />
      {isRenaming && <Renaming device={device} onChanged={onChanged} onLeave={() => setRenaming(false)} />}
      {!isRenaming && !device.revoked && (
        <DeviceActions device={device} isOwn={isOwn} onChanged={onChanged} onRename={() => setRenaming(true)} />
      )}
    </>
  );
}

function Facts({ device: { platform, paired, scopes = [], pairedAt, lastSeenAt, revoked } }: { device: DeviceView }) {
  return (
    <dl>
      {platform !== undefined && (
        <>
          <dt>{t('devices.platform')}</dt>
          <dd>{platform}</dd>
        </>
      )}
      <dt>{t('devices.seen')}</dt>
      <dd>{lastSeenAt === undefined ? t('devices.never') : <Moment at={lastSeenAt} />}</dd>
      {pairedAt !== undefined && (
        <>
          <dt>{t('devices.paired')}</dt>
          <dd>
            <Moment at={pairedAt} />
          </dd>
        </>
      )}
      <dt>{t('devices.scopes')}</dt>
      <dd>{paired ? scopes.join(', ') : t('devices.noCredential')}</dd>
      {revoked && (
        <>
          <dt>{t('devices.revoked')}</dt>
          <dd>
            <Moment at={revoked.at} />: {revoked.reason}
          </dd>
        </>
      )}
    </dl>
  );
}

interface ActionsProps extends DeviceProps {
  isOwn: boolean;
  onRename: () => void;
}

function DeviceActions({ device, isOwn, onChanged, onRename }: ActionsProps) {
  const { link, leave } = useConsole();
  const action = useAction();
  const revoke = async () => {
    await revokeDevice(link.rest, { params: { id: device.deviceId } });
    if (isOwn) await leave();
    else await onChanged();
  };
  return (
    <>
      <Refusal reason={action.refusal} />
      <div className="row">
        <button type="button" aria-label={t('devices.renameOf', { name: nameOf(device) })} onClick={onRename}>
          {t('devices.rename')}
        </button>
        <SureButton
          label={t('devices.revokeOf', { name: nameOf(device) })}
          question={isOwn ? t('devices.revokeOwnSure') : t('devices.revokeSure')}
          isBusy={action.isBusy}
          onSure={() => void action.run(revoke)}
        >
          {t('devices.revoke')}
        </SureButton>
      </div>
    </>
  );
}

function Renaming({ device, onChanged, onLeave }: DeviceProps & { onLeave: () => void }) {
  const { link } = useConsole();
  const [name, setName] = useState(device.name ?? '');
  const save = async () => {
    await changeDevice(link.rest, { params: { id: device.deviceId }, body: { name } });
    await onChanged();
  };
  return (
    <PassingForm submit={t('devices.save')} onSubmit={save} onLeave={onLeave}>
      <label>
        {t('devices.name')}
        <input
          ref={(input) => input?.focus()}
          value={name}
          onChange={({ target }) => setName(target.value)}
          maxLength={100}
          required
        />
      </label>
    </PassingForm>
  );
}
