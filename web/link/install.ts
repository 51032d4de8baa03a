/** Offers the console to the browser as an app, where its address lasts. */
import { type RestClient, showInfo } from '../../client/rest/index.js';
import { type Lasting, lastingOf } from '../store/lasting.js';

const MANIFEST = '/manifest.webmanifest';

/** Without its manifest, no browser offers to install a page. Rejects when the daemon cannot be asked. */
export async function offerInstallation(rest: RestClient): Promise<Lasting> {
  const { addresses } = await showInfo(rest);
  const lasting = lastingOf(location.origin, addresses);
  const known = document.querySelector('link[rel=manifest]');
  if (lasting.kind === 'passing') known?.remove();
  else if (!known)
    document.head.append(Object.assign(document.createElement('link'), { rel: 'manifest', href: MANIFEST }));
  return lasting;
}
