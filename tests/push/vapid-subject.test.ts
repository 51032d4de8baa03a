/** The contact address of pushes to browsers, which Apple's service insists on. */
import { describe, expect, test } from '@jest/globals';
import { chooseSubject, subjectProblem } from '../../services/push/web/vapid.js';

const subscriptionAt = (endpoint: string) => JSON.stringify({ endpoint, keys: { p256dh: '', auth: '' } });
const SAFARI = subscriptionAt('https://web.push.apple.com/QGuQyavXutnMH');
const OTHER = subscriptionAt('https://fcm.googleapis.com/fcm/send/x');

describe('without a subject that exists', () => {
  test.each([
    [undefined, undefined],
    [undefined, 'http://example.org'],
    [undefined, 'https://localhost:3001'],
    [undefined, 'https://192.168.1.5'],
    [undefined, 'https://[fd00::1]'],
    [undefined, 'https://mac.local'],
    [undefined, 'https://companion.home.arpa'],
    ['mailto:me@localhost', 'https://companion.example.org'],
    ['mailto:me@host.invalid', undefined],
  ])(
    'O1: VAPID_SUBJECT %p and PUBLIC_URL %p are a problem for Safari, with a remedy, and for no other browser',
    (setting, publicUrl) => {
      const subject = chooseSubject(setting, publicUrl);
      expect(subjectProblem(subject, [OTHER, SAFARI])?.remedy).toContain('VAPID_SUBJECT');
      expect(subjectProblem(subject, [OTHER])).toBeUndefined();
    },
  );
});

test.each([
  ['mailto:me@example.org', undefined, 'mailto:me@example.org'],
  ['https://example.org/contact', undefined, 'https://example.org/contact'],
  [undefined, 'https://companion.example.org', 'https://companion.example.org'],
])('VAPID_SUBJECT %p and PUBLIC_URL %p are good', (setting, publicUrl, said) => {
  const subject = chooseSubject(setting, publicUrl);
  expect(subject.subject).toBe(said);
  expect(subjectProblem(subject, [SAFARI])).toBeUndefined();
});
