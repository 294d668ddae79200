/**
 * sessions: who is asking a service, the Kafka clients with which it acts for them, and as whom it acts when nobody asks.
 *
 * A service has no powers of its own: each request is made with the credentials of the person who asks, over a client that logged in with exactly
 * these, so that the broker's ACLs decide. Hides the pool of clients and its bounds, how often a login may be tried, and that verified passwords are
 * remembered only as keyed hashes.
 */
export { type Acting, type Actor, CannotAct, openActing, principalProblem } from './sessions/acting.ts'
export { basicLogin, type Credentials, Unauthorized, withoutLogin } from './sessions/credentials.ts'
export { type Login, Logins } from './sessions/logins.ts'
export { Oidc, type OidcRequest, type OidcSettings, type OidcTokens } from './sessions/oidc.ts'
export { seal, unseal } from './sessions/seal.ts'
export { type Identity, type LoginWays, openSessions, type Sessions, type SessionsOptions } from './sessions/sessions.ts'
