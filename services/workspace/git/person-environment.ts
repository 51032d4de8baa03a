/** Where programs are, who the person is, and how the network, ssh and keyrings are reached. */
const KEPT = new Set(
  (
    'PATH HOME USER LOGNAME SHELL TMPDIR XDG_CONFIG_HOME XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS SSH_AUTH_SOCK ' +
    'GIT_SSH GIT_SSH_COMMAND GIT_SSL_CAINFO GIT_SSL_CAPATH GIT_CONFIG_GLOBAL GIT_CONFIG_SYSTEM GIT_CONFIG_NOSYSTEM ' +
    'SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY'
  ).split(' '),
);

/**
 * The environment of a git that speaks with another machine: with the settings of the person, who keeps there how a
 * repository is reached and with which credentials, and without questions. The session that it gets has no terminal, so
 * ssh cannot ask either.
 */
export const personEnvironment = (
  environment: Readonly<Record<string, string>>,
  transport: string,
): Record<string, string> => ({
  ...Object.fromEntries(Object.entries(environment).filter(([name]) => KEPT.has(name))),
  LC_ALL: 'C',
  GIT_TERMINAL_PROMPT: '0',
  // An empty one is asked nothing, and keeps git from looking for others.
  GIT_ASKPASS: '',
  // Also for what settings and redirections make of the address.
  GIT_ALLOW_PROTOCOL: transport,
  GIT_LFS_SKIP_SMUDGE: '1',
});
