/** A small OpenID Connect provider for tests, whose users agree to everything at once. It checks what a real one checks, and can be made to lie. */
import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
const otherKeys = generateKeyPairSync('rsa', { modulusLength: 2048 })

export interface Lies {
  /** Claims of the id token. */
  id?: Record<string, unknown>
  /** Claims of the access token. */
  access?: Record<string, unknown>
  /** Header of the id token. */
  header?: Record<string, unknown>
  signedByAnother?: boolean
  /** Added to the way back. */
  back?: Record<string, string>
  description?: Record<string, unknown>
  noRefresh?: boolean
}

export interface Provider {
  readonly issuer: string
  lies: Lies
  user: string
  /** Of access tokens. */
  lastsSeconds: number
  /** What was asked of the token endpoint, by `grant_type`. */
  readonly asked: string[]
  close(): Promise<void>
}

export const clientId = 'millrace-console'
export const clientSecret = 'a secret/with: odd+characters'

interface Code {
  readonly challenge: string
  readonly nonce: string
  readonly redirectUri: string
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function jwt(claims: object, header: object = {}, key: KeyObject = keys.privateKey): string {
  const signed = `${encode({ alg: 'RS256', kid: 'k1', ...header })}.${encode(claims)}`
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}

export async function startProvider(): Promise<Provider> {
  const codes = new Map<string, Code>()
  const refreshTokens = new Set<string>()
  const server = createServer(
    (request, response) => void serve(request, response).catch(error => response.writeHead(500).end(String(error))),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider: Provider = {
    ...{ issuer, lies: {}, user: 'alice', lastsSeconds: 60, asked: [] },
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, issuer)
    const json = (value: object, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (url.pathname === '/.well-known/openid-configuration') {
      const at = (path: string) => `${issuer}${path}`
      return void json({
        ...{ issuer, authorization_endpoint: at('/authorize?tenant=1'), token_endpoint: at('/token'), jwks_uri: at('/keys') },
        ...provider.lies.description,
      })
    }
    if (url.pathname === '/keys') return void json({ keys: [{ ...keys.publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig' }] })
    if (url.pathname === '/authorize') return authorize(url.searchParams, response)
    let body = ''
    for await (const chunk of request) body += chunk
    const answer = token(new URLSearchParams(body), request.headers.authorization)
    json(answer, 'error' in answer ? 400 : 200)
  }

  function authorize(given: URLSearchParams, response: ServerResponse): void {
    const get = (name: string) => given.get(name) ?? ''
    const isRight =
      get('tenant') === '1' && get('client_id') === clientId && get('response_type') === 'code' && get('code_challenge_method') === 'S256'
    if (!isRight) return void response.writeHead(400).end(String(given))
    const code = randomUUID()
    codes.set(code, { challenge: get('code_challenge'), nonce: get('nonce'), redirectUri: get('redirect_uri') })
    const back = new URL(get('redirect_uri'))
    for (const [name, value] of Object.entries({ code, state: get('state'), ...provider.lies.back })) back.searchParams.set(name, value)
    response.writeHead(302, { location: back.href }).end()
  }

  function token(given: URLSearchParams, authorization: string | undefined): object {
    const grant = given.get('grant_type') ?? ''
    provider.asked.push(grant)
    const [id, secret] = Buffer.from(authorization?.replace(/^Basic /, '') ?? '', 'base64')
      .toString()
      .split(':')
      .map(part => decodeURIComponent(part.replaceAll('+', '%20')))
    if (id !== clientId || secret !== clientSecret) return { error: 'invalid_client' }
    if (grant === 'refresh_token')
      return refreshTokens.delete(given.get('refresh_token') ?? '') ? tokens(provider, refreshTokens, null) : { error: 'invalid_grant' }
    const code = codes.get(given.get('code') ?? '')
    codes.delete(given.get('code') ?? '')
    const challenge = createHash('sha256')
      .update(given.get('code_verifier') ?? '')
      .digest('base64url')
    if (code === undefined || code.challenge !== challenge || code.redirectUri !== given.get('redirect_uri'))
      return { error: 'invalid_grant' }
    return tokens(provider, refreshTokens, code.nonce)
  }

  return provider
}

function tokens({ issuer, lies, user, lastsSeconds }: Provider, refreshTokens: Set<string>, nonce: string | null): object {
  const now = Math.floor(Date.now() / 1_000)
  const common = { iss: issuer, sub: user, iat: now, exp: now + lastsSeconds }
  const refresh = randomUUID()
  refreshTokens.add(refresh)
  const key = lies.signedByAnother === true ? otherKeys.privateKey : keys.privateKey
  return {
    token_type: 'Bearer',
    expires_in: lastsSeconds,
    access_token: jwt({ ...common, aud: 'kafka', jti: randomUUID(), ...lies.access }),
    ...(lies.noRefresh === true ? {} : { refresh_token: refresh }),
    ...(nonce === null ? {} : { id_token: jwt({ ...common, aud: clientId, nonce, ...lies.id }, lies.header, key) }),
  }
}
