/** SASL PLAIN (RFC 4616): user name and password in clear text, checked with the listener's `sasl.jaas.config` (`user_alice="secret"`). */
import { createHash, timingSafeEqual } from 'node:crypto'
import { AuthenticationFailed, type SaslMechanism, type Step } from './mechanism.ts'

const prefix = 'user_'

/** `options`: of the login module. */
export function plain(options: ReadonlyMap<string, string>): SaslMechanism {
  const passwords = new Map<string, Buffer>()
  for (const [key, password] of options) if (key.startsWith(prefix)) passwords.set(key.slice(prefix.length), digest(password))
  return { name: 'PLAIN', open: () => ({ step: token => authenticate(token, passwords) }) }
}

function authenticate(token: Buffer, passwords: ReadonlyMap<string, Buffer>): Step {
  const parts = token.toString('utf8').split('\u0000', 4)
  if (parts.length !== 3) throw new AuthenticationFailed(`Invalid SASL/PLAIN response: expected 3 tokens, got ${parts.length}`)
  const [authorizationId, username, password] = parts as [string, string, string]
  if (username === '') throw failed('username not specified')
  if (password === '') throw failed('password not specified')
  // The comparison also runs for users that do not exist, so that timing reveals nothing.
  const known = passwords.get(username)
  if (!timingSafeEqual(digest(password), known ?? noPassword) || known === undefined) throw failed('Invalid username or password')
  if (authorizationId !== '' && authorizationId !== username) {
    throw failed('Client requested an authorization id that is different from username')
  }
  return { done: true, reply: Buffer.alloc(0), principal: `User:${username}` }
}

function failed(reason: string): AuthenticationFailed {
  return new AuthenticationFailed(reason, `Authentication failed: ${reason}`)
}

/** Of equal length for all passwords, as a constant-time comparison requires. */
function digest(password: string): Buffer {
  return createHash('sha256').update(password, 'utf8').digest()
}

const noPassword = digest('')
