/**
 * jwt: signed tokens of an issuer (RFC 7519) and its keys, shared by the broker (OAUTHBEARER) and by those who log in with OpenID Connect.
 *
 * Hides which algorithms and keys are accepted, and when keys are fetched again. Keeps no secrets; what is asked of the network is an operator's choice,
 * bounded in size and time, and never redirected.
 */
export { type Downloaded, download } from './jwt/download.ts'
export { issuerUrlProblem, Jwks, jwksUrlProblem } from './jwt/jwks.ts'
export { BadToken, type JwtRules, type VerifiedJwt, verifyJwt } from './jwt/verify.ts'
