/**
 * http: the foundation of everything that Millrace serves over HTTP, except for the broker's own health and metrics.
 *
 * Hides the web framework's settings: limits, TLS, which origins and host names are allowed, security headers, the access log, and how errors become
 * responses. A service adds its routes; each route declares schemas of what it takes and returns, and nothing is described twice.
 */
export { closeHttpApp, type HttpApp, type HttpOptions, type HttpSettings, listen, openHttpApp } from './http/app.ts'
export { type Answer, type ErrorBody, HttpError, unauthorized } from './http/errors.ts'
export { problemsIn } from './http/problems.ts'
export type { TlsFiles } from './http/tls.ts'
