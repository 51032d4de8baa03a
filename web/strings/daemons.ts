/** The texts of the view of daemons, which are loaded with it. */
import type { Language } from './languages.js';

interface DaemonsTexts {
  help: string;
  known: string;
  here: string;
  name: string;
  address: string;
  add: string;
  submit: string;
  opened: string;
  never: string;
  problem: string;
  removeSure: string;
}

export const DAEMONS_TEXTS: Readonly<Record<Language, DaemonsTexts>> = {
  en: {
    help: 'Each daemon has its console at its own address, with its own pairing. Nothing is asked of one until you open it.',
    known: 'Known in this browser',
    here: 'this one',
    name: 'Name',
    address: 'Address',
    add: 'Add a daemon',
    submit: 'Add',
    opened: 'Last opened from here',
    never: 'never',
    problem: 'It must be the address of another daemon, such as https://companion.example.org.',
    removeSure: 'Only this entry goes. This browser stays paired with that daemon.',
  },
  de: {
    help: 'Jeder Daemon hat seine Konsole unter seiner eigenen Adresse, mit eigener Kopplung. Keiner wird etwas gefragt, bevor du ihn öffnest.',
    known: 'In diesem Browser bekannt',
    here: 'dieser',
    name: 'Name',
    address: 'Adresse',
    add: 'Daemon hinzufügen',
    submit: 'Hinzufügen',
    opened: 'Zuletzt von hier geöffnet',
    never: 'nie',
    problem: 'Es muss die Adresse eines anderen Daemons sein, etwa https://companion.example.org.',
    removeSure: 'Nur dieser Eintrag geht. Dieser Browser bleibt mit jenem Daemon gekoppelt.',
  },
  zh: {
    help: '每个守护进程在自己的地址上有自己的控制台和配对。打开之前不会向它发送任何请求。',
    known: '此浏览器已知',
    here: '当前',
    name: '名称',
    address: '地址',
    add: '添加守护进程',
    submit: '添加',
    opened: '上次从此处打开',
    never: '从未',
    problem: '必须是另一个守护进程的地址，例如 https://companion.example.org。',
    removeSure: '仅删除此条目。此浏览器仍与该守护进程配对。',
  },
};
