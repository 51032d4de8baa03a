/** The texts of the form for a password. */
import type { Language } from './languages.js';

interface Texts {
  title: string;
  name: string;
  password: string;
  submit: string;
  busy: string;
  refused: string;
}

export const SIGN_IN_TEXTS: Readonly<Record<Language, Texts>> = {
  en: {
    title: 'Or with a password',
    name: 'User name',
    password: 'Password',
    submit: 'Sign in',
    busy: 'Signing in…',
    refused: 'The user name or the password is wrong. The user name is an e-mail address.',
  },
  de: {
    title: 'Oder mit einem Passwort',
    name: 'Benutzername',
    password: 'Passwort',
    submit: 'Anmelden',
    busy: 'Anmeldung läuft…',
    refused: 'Der Benutzername oder das Passwort ist falsch. Der Benutzername ist eine E-Mail-Adresse.',
  },
  zh: {
    title: '或使用密码',
    name: '用户名',
    password: '密码',
    submit: '登录',
    busy: '正在登录…',
    refused: '用户名或密码错误。用户名是电子邮件地址。',
  },
};
