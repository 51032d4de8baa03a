/** The texts of the audit view, which are loaded with it. */
import type { AuditAction } from '../../protocol/audit.js';
import type { Language } from './languages.js';

interface AuditTexts {
  help: string;
  action: string;
  anyAction: string;
  device: string;
  anyDevice: string;
  since: string;
  until: string;
  entries: string;
  none: string;
  more: string;
  by: string;
  on: string;
  session: string;
  from: string;
  refused: string;
  daemon: string;
  actions: Readonly<Record<AuditAction, string>>;
}

export const AUDIT_TEXTS: Readonly<Record<Language, AuditTexts>> = {
  en: {
    help: 'Who did what, and from where. The log has no contents.',
    action: 'Action',
    anyAction: 'any',
    device: 'Device',
    anyDevice: 'any',
    since: 'Since',
    until: 'Until',
    entries: 'Entries',
    none: 'There are no such entries.',
    more: 'Older entries',
    by: 'By',
    on: 'On',
    session: 'Session',
    from: 'From',
    refused: 'Refused: {code}',
    daemon: 'the daemon',
    actions: {
      start: 'Start a session',
      stop: 'Stop of the daemon',
      prompt: 'Prompt',
      approve: 'Answer to a request',
      interrupt: 'Interrupt',
      close: 'Close a session',
      read: 'Read',
      write: 'Write',
      pair: 'Pair a device',
      login: 'Sign in by password',
      refresh: 'Renew a credential',
      logout: 'Sign out',
      revoke: 'Revoke',
      refused: 'Refused credential',
      settings: 'Change a setting',
      tool: 'Call of a tool',
      users: 'Change people',
    },
  },
  de: {
    help: 'Wer hat was getan, und von wo. Das Protokoll enthält keine Inhalte.',
    action: 'Vorgang',
    anyAction: 'jeder',
    device: 'Gerät',
    anyDevice: 'jedes',
    since: 'Ab',
    until: 'Bis',
    entries: 'Einträge',
    none: 'Solche Einträge gibt es nicht.',
    more: 'Ältere Einträge',
    by: 'Von',
    on: 'Betrifft',
    session: 'Sitzung',
    from: 'Adresse',
    refused: 'Abgelehnt: {code}',
    daemon: 'der Daemon',
    actions: {
      start: 'Sitzung begonnen',
      stop: 'Daemon angehalten',
      prompt: 'Prompt',
      approve: 'Anfrage beantwortet',
      interrupt: 'Unterbrochen',
      close: 'Sitzung geschlossen',
      read: 'Gelesen',
      write: 'Geschrieben',
      pair: 'Gerät gekoppelt',
      login: 'Mit Passwort angemeldet',
      refresh: 'Zugangsdaten erneuert',
      logout: 'Abgemeldet',
      revoke: 'Widerrufen',
      refused: 'Zugangsdaten abgelehnt',
      settings: 'Einstellung geändert',
      tool: 'Werkzeug aufgerufen',
      users: 'Personen geändert',
    },
  },
  zh: {
    help: '谁在何处做了什么。日志不含内容。',
    action: '操作',
    anyAction: '全部',
    device: '设备',
    anyDevice: '全部',
    since: '起始时间',
    until: '截止时间',
    entries: '条目',
    none: '没有符合条件的条目。',
    more: '更早的条目',
    by: '操作者',
    on: '对象',
    session: '会话',
    from: '来源',
    refused: '已拒绝：{code}',
    daemon: '守护进程',
    actions: {
      start: '开始会话',
      stop: '停止守护进程',
      prompt: '提示',
      approve: '回答请求',
      interrupt: '中断',
      close: '关闭会话',
      read: '读取',
      write: '写入',
      pair: '配对设备',
      login: '密码登录',
      refresh: '更新凭据',
      logout: '登出',
      revoke: '撤销',
      refused: '拒绝凭据',
      settings: '更改设置',
      tool: '调用工具',
      users: '更改用户',
    },
  },
};
