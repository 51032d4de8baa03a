/** The texts of notifications, for the service worker, which has no others. `{name}` is replaced. */
import type { Language } from './languages.js';

interface OwnTexts {
  allow: string;
  deny: string;
  reply: string;
  something: string;
  notAnswered: string;
  notSent: string;
  unreachable: string;
  unpaired: string;
  inSession: string;
}

/** Of the worker itself. */
export const OWN_TEXTS: Readonly<Record<Language, OwnTexts>> = {
  en: {
    allow: 'Allow once',
    deny: 'Deny',
    reply: 'Reply',
    something: 'Something waits for you.',
    notAnswered: 'Not answered',
    notSent: 'Not sent: it is in the message of the session',
    unreachable: 'The daemon cannot be reached.',
    unpaired: 'This browser is not paired.',
    inSession: 'It has to be answered in the session.',
  },
  de: {
    allow: 'Einmal erlauben',
    deny: 'Ablehnen',
    reply: 'Antworten',
    something: 'Etwas wartet auf dich.',
    notAnswered: 'Nicht beantwortet',
    notSent: 'Nicht gesendet: Es steht in der Nachricht der Sitzung',
    unreachable: 'Der Daemon ist nicht erreichbar.',
    unpaired: 'Dieser Browser ist nicht gekoppelt.',
    inSession: 'Es muss in der Sitzung beantwortet werden.',
  },
  zh: {
    allow: '允许一次',
    deny: '拒绝',
    reply: '回复',
    something: '有事项等待您处理。',
    notAnswered: '未回答',
    notSent: '未发送：内容已放入会话的消息框',
    unreachable: '无法连接守护进程。',
    unpaired: '此浏览器尚未配对。',
    inSession: '必须在会话中回答。',
  },
};

export interface PushText {
  /** Of a push that is about no project. */
  title?: string;
  subtitle: string;
  body: string;
}

interface PushTexts {
  /** With `{time}`: put behind what took so long. */
  after: string;
  period: Readonly<Record<string, string>>;
  of: Readonly<Record<string, string>>;
  tokens: string;
  refused: string;
  /** By the name of the wording that the daemon sends. */
  texts: Readonly<Record<string, PushText>>;
}

/** In the languages in which the daemon does not say it. */
export const PUSH_TEXTS: Readonly<Record<Exclude<Language, 'en'>, PushTexts>> = {
  de: {
    after: ' nach {time}',
    period: { day: ' heute', week: ' diese Woche', always: '' },
    of: { person: 'Alle Sitzungen haben', session: 'Die Sitzung hat' },
    tokens: '{used} von {limit} Tokens',
    refused: ' Prompts werden abgelehnt.',
    texts: {
      permission: { subtitle: 'Erlaubnis: {tool}', body: '{tool} wartet auf deine Erlaubnis.' },
      question: { subtitle: 'Frage', body: 'Claude wartet auf deine Antwort.' },
      plan: { subtitle: 'Plan fertig', body: 'Claude wartet auf dein Wort zu seinem Plan.' },
      done: { subtitle: 'Fertig', body: 'Claude ist{after} fertig.' },
      failed: { subtitle: 'Fehlgeschlagen', body: 'Der Turn endete{after} mit einem Fehler.' },
      failed_api: { subtitle: 'Fehlgeschlagen: API-Fehler', body: 'Die API hat nicht geantwortet, wie sie soll.' },
      failed_claude: { subtitle: 'Fehlgeschlagen: Claude beendet', body: 'Claude endete mitten in seinem Turn.' },
      failed_disk: {
        subtitle: 'Fehlgeschlagen: Platte voll',
        body: 'Die Platte ist voll: Nicht alles vom Turn ist erhalten.',
      },
      failed_output: {
        subtitle: 'Fehlgeschlagen: keine gültige Ausgabe',
        body: 'Claude fand keine Antwort in der verlangten Form.',
      },
      limit_steps: { subtitle: 'Grenze erreicht', body: 'Der Turn hat{after} seine Schritte aufgebraucht.' },
      limit_budget: { subtitle: 'Grenze erreicht', body: 'Der Turn hat{after} sein Budget aufgebraucht.' },
      limit_reset: {
        subtitle: 'Grenze erreicht',
        body: 'Claude nimmt vorerst nichts mehr an. Zurückgesetzt wird sie: {reset}.',
      },
      limit: { subtitle: 'Grenze erreicht', body: 'Claude nimmt vorerst nichts mehr an.' },
      given_up: {
        subtitle: 'Fehlgeschlagen: Claude läuft nicht',
        body: 'Kein Claude ließ sich am Laufen halten. Dein nächster Prompt versucht es noch einmal.',
      },
      budget_warning: { subtitle: 'Budget fast aufgebraucht', body: '{of}{period} {amount} verbraucht.' },
      budget_exceeded: { subtitle: 'Budget aufgebraucht', body: '{of}{period} {amount} verbraucht.{refused}' },
      digest: {
        title: '{count} Sitzungen sind zu Ende',
        subtitle: 'Fertig: {done}, fehlgeschlagen: {failed}, an einer Grenze: {limited}',
        body: '{names}',
      },
      security: {
        subtitle: 'Ein Gerät wurde abgemeldet',
        body: 'Jemand hat alte Zugangsdaten von {device} benutzt. Es muss neu gekoppelt werden.',
      },
      webhook: {
        subtitle: 'Ein Webhook wurde abgeschaltet',
        body: 'Bei {webhook} kommt nichts mehr an. Schalte den Webhook wieder ein, sobald es geht.',
      },
      test: { subtitle: 'Test', body: 'Benachrichtigungen erreichen dieses Gerät.' },
    },
  },
  zh: {
    after: '（用时 {time}）',
    period: { day: '今日', week: '本周', always: '' },
    of: { person: '所有会话', session: '此会话' },
    tokens: '{used} / {limit} 个 token',
    refused: '提示将被拒绝。',
    texts: {
      permission: { subtitle: '请求许可：{tool}', body: '{tool} 等待您的许可。' },
      question: { subtitle: '提问', body: 'Claude 等待您的回答。' },
      plan: { subtitle: '计划已就绪', body: 'Claude 等待您对计划的意见。' },
      done: { subtitle: '已完成', body: 'Claude 已完成{after}。' },
      failed: { subtitle: '失败', body: '本轮出错结束{after}。' },
      failed_api: { subtitle: '失败：API 错误', body: 'API 未正常响应。' },
      failed_claude: { subtitle: '失败：Claude 已退出', body: 'Claude 在本轮中途退出。' },
      failed_disk: { subtitle: '失败：磁盘已满', body: '磁盘已满：本轮内容未能全部保留。' },
      failed_output: { subtitle: '失败：输出无效', body: 'Claude 未能给出要求格式的回答。' },
      limit_steps: { subtitle: '已达上限', body: '本轮步数已用尽{after}。' },
      limit_budget: { subtitle: '已达上限', body: '本轮预算已用尽{after}。' },
      limit_reset: { subtitle: '已达上限', body: 'Claude 暂不接受请求。重置时间：{reset}。' },
      limit: { subtitle: '已达上限', body: 'Claude 暂不接受请求。' },
      given_up: { subtitle: '失败：Claude 未运行', body: '无法保持 Claude 运行。您的下一条提示会再次尝试。' },
      budget_warning: { subtitle: '预算即将用尽', body: '{of}{period}已使用 {amount}。' },
      budget_exceeded: { subtitle: '预算已用尽', body: '{of}{period}已使用 {amount}。{refused}' },
      digest: {
        title: '{count} 个会话已结束',
        subtitle: '完成 {done}，失败 {failed}，达到上限 {limited}',
        body: '{names}',
      },
      security: { subtitle: '一台设备已被登出', body: '有人使用了 {device} 的旧凭据。该设备需要重新配对。' },
      webhook: { subtitle: '一个 Webhook 已停用', body: '{webhook} 不再收到任何内容。恢复后请重新启用。' },
      test: { subtitle: '测试', body: '通知可以送达此设备。' },
    },
  },
};
