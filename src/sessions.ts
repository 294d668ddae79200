/**
 * sessions: who is asking a service, and the Kafka clients with which it acts for them.
 *
 * A service has no powers of its own: each request is made with the credentials of the person who asks, over a client that logged in with exactly
 * these, so that the broker's ACLs decide. Hides the pool of clients, its bounds, and that verified passwords are remembered only as keyed hashes.
 */
export { type Identity, openSessions, type Sessions, type SessionsOptions, Unauthorized } from './sessions/sessions.ts'
