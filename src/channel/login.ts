/** Logging in (KIP-152): which mechanism is spoken, and its exchange. */
import { type Api, apis, errorName, errorText, type InputOf, type MessageOf } from '../protocol.ts'
import type { SaslOptions } from './security.ts'

export type AskBroker = <A extends Api>(api: A, version: number, request: InputOf<A['request']>) => Promise<MessageOf<A['response']>>

interface Step {
  readonly authBytes: Buffer
  readonly goodForMs: number
}

/** With answers in the requests' own form, instead of bare bytes. */
const handshakeVersion = 1

/** For OAUTHBEARER, from what issues it, which may be away; null: the mechanism has none. */
export async function tokenOf({ mechanism, token }: SaslOptions): Promise<string | null> {
  if (mechanism !== 'OAUTHBEARER') return null
  return typeof token === 'function' ? token() : token!
}

/** Resolves to how long the login is good for, in ms; 0: for ever. Rejects with errors that `toClientError` understands. */
export async function logIn(ask: AskBroker, sasl: SaslOptions, token: string | null): Promise<number> {
  const version = await versionOf(ask)
  const { errorCode } = await ask(apis.saslHandshake, handshakeVersion, { mechanism: sasl.mechanism })
  refuse(errorCode, null)
  const step = async (authBytes: Buffer): Promise<Step> => {
    const answer = await ask(apis.saslAuthenticate, version, { authBytes })
    refuse(answer.errorCode, answer.errorMessage)
    return { authBytes: Buffer.from(answer.authBytes), goodForMs: Number(answer.sessionLifetimeMs) }
  }
  return (await exchange(step, sasl, token)).goodForMs
}

/** What a broker speaks, it tells before the login. One that does not is taken for a new one. */
async function versionOf(ask: AskBroker): Promise<number> {
  const { key, maxVersion } = apis.saslAuthenticate
  const { errorCode, apiKeys } = await ask(apis.apiVersions, 0, {})
  const theirs = errorCode === 0 ? apiKeys.find(each => each.apiKey === key) : undefined
  return Math.min(maxVersion, theirs?.maxVersion ?? maxVersion)
}

async function exchange(step: (bytes: Buffer) => Promise<Step>, sasl: SaslOptions, token: string | null): Promise<Step> {
  const { mechanism, authenticate, authBytesValidator } = sasl
  if (mechanism === 'PLAIN') return step(Buffer.from(`\0${sasl.username}\0${sasl.password}`))
  if (mechanism === 'OAUTHBEARER') {
    const last = await step(Buffer.from(`n,,\x01auth=Bearer ${token}\x01\x01`))
    await new Promise<void>((resolve, reject) => authBytesValidator!(last.authBytes, error => (error === null ? resolve() : reject(error))))
    return last
  }
  return new Promise((resolve, reject) => {
    const send = (_connection: null, bytes: Buffer, done: (error: Error | null, answer?: Step) => void) =>
      void step(bytes).then(answer => done(null, answer), done)
    const done = (error: Error | null, answer?: Step) => (answer === undefined ? reject(error) : resolve(answer))
    authenticate!(mechanism, null, send, undefined, undefined, undefined, done)
  })
}

function refuse(code: number, message: string | null): void {
  if (code === 0) return
  const name = errorName(code)
  throw Object.assign(new Error(message || errorText(name)), { apiId: name, serverErrorMessage: message })
}
