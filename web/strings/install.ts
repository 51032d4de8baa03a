/** The texts about the console as an app, which are loaded with the devices. */
import type { Language } from './languages.js';

interface Texts {
  title: string;
  passing: string;
  instead: string;
  suggested: string;
  setting: string;
}

export const INSTALL_TEXTS: Readonly<Record<Language, Texts>> = {
  en: {
    title: 'Install this console',
    passing: 'It is not offered as an app at {address}: this address will not last.',
    instead: 'This one lasts:',
    suggested: 'This one would last, once the daemon has the setting PUBLIC_URL={address}.',
    setting: 'One lasts once the daemon has it in the setting PUBLIC_URL.',
  },
  de: {
    title: 'Diese Konsole installieren',
    passing: 'Unter {address} wird sie nicht als App angeboten: Diese Adresse bleibt nicht.',
    instead: 'Diese bleibt:',
    suggested: 'Diese bliebe, sobald der Daemon die Einstellung PUBLIC_URL={address} hat.',
    setting: 'Eine bleibt, sobald der Daemon sie in der Einstellung PUBLIC_URL hat.',
  },
  zh: {
    title: '安装此控制台',
    passing: '在 {address} 无法安装为应用：此地址不会长期有效。',
    instead: '此地址长期有效：',
    suggested: '守护进程设置 PUBLIC_URL={address} 后，此地址长期有效。',
    setting: '在守护进程的 PUBLIC_URL 中设置地址后，该地址长期有效。',
  },
};
