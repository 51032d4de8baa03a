import { ROUTES, type RouteRule } from '../../protocol/commands/rest.js';

interface Pattern {
  rule: RouteRule;
  segments: readonly string[];
  /** The last segment matches all that follow. */
  isOpen: boolean;
}

/** A slash at the end means the same path. */
const segmentsOf = (path: string): string[] =>
  (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path).split('/').slice(1);

const PATTERNS: readonly Pattern[] = ROUTES.map((rule) => {
  const segments = segmentsOf(rule.path);
  return { rule, segments, isOpen: segments.at(-1)?.startsWith('*') ?? false };
});

/**
 * The rule of a request, by its method and its path as sent, without the query; undefined when there is no such route.
 */
export function findRoute(method: string, path: string): RouteRule | undefined {
  const wanted = method === 'HEAD' ? 'GET' : method;
  const given = segmentsOf(path);
  return PATTERNS.find((pattern) => pattern.rule.method === wanted && matches(pattern, given))?.rule;
}

interface Place {
  path: string;
  /** On the local socket. */
  isLocal: boolean;
}

/** The methods of a path, as `Allow` names them; none where there is nothing. */
export function methodsAt({ path, isLocal }: Place): string[] {
  const given = segmentsOf(path);
  const rules = PATTERNS.filter((pattern) => matches(pattern, given)).map(({ rule }) => rule);
  const methods = rules.filter(({ local = false }) => isLocal || !local).map(({ method }) => method);
  if (methods.length === 0) return [];
  return [...new Set([...methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : method)), 'OPTIONS'])];
}

function matches({ segments, isOpen }: Pattern, given: readonly string[]): boolean {
  if (isOpen ? given.length < segments.length : given.length !== segments.length) return false;
  return segments.every((segment, index) => {
    const said = given[index] ?? '';
    return segment.startsWith(':') || segment.startsWith('*') ? said !== '' : segment === said;
  });
}
