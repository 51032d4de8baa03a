/** Our sources import `./x.js` as Node will see it; under jest that file is still `./x.ts`. Packages are left alone. */
module.exports = (request, options) =>
  options.basedir.includes('node_modules')
    ? options.defaultResolver(request, options)
    : options.defaultResolver(request, { ...options, extensionAlias: { '.js': ['.ts', '.js'] } });
