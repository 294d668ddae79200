/**
 * Where the credentials of the object store come from, in the order of AWS's Java SDK: keys in the environment, web identity (IRSA), shared file,
 * container (ECS, EKS Pod Identity), instance (IMDSv2).
 *
 * Temporary ones are renewed well before they expire, in the background: requests wait for a renewal only when nothing valid is left.
 * While a renewal fails and the old ones still hold, they are used.
 */
import { isLoopback, type System } from '../../base.ts'
import { ObjectError } from './object-error.ts'
import type { Transport } from './transport.ts'
import { textOf } from './xml.ts'

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string | null
  /** Wall clock; null: they do not expire, as far as is known. */
  readonly expiresAtMs: number | null
}

export type Environment = Readonly<Record<string, string | undefined>>

export interface CredentialsOptions {
  system: System
  transport: Transport
  environment: Environment
  /** Of the object store: there a role is assumed. */
  region: string
  /** A renewal failed while others still hold. */
  report(what: string, error: unknown): void
}

/** They are renewed when they hold for less than this. */
const renewBeforeMs = 5 * 60_000
/** A file is read again after this time, because another program may renew what it holds. */
const fileHoldsMs = 5 * 60_000
/** Between two attempts to renew what still holds. */
const renewPauseMs = 15_000
/** Of what is close by, and of AWS's token service. */
const answerTimeoutMs = 2_000
const stsTimeoutMs = 5_000
/** AWS's limits. */
const mostTokenBytes = 20_000
const sessionNameRule = /^[\w+=,.@-]{2,64}$/
const mostAnswerBytes = 64 * 1024
const instanceAddress = 'http://169.254.169.254'
const containerAddress = 'http://169.254.170.2'

interface Source {
  readonly name: string
  load(): Promise<Credentials>
}

export class CredentialSource {
  readonly #options: CredentialsOptions
  readonly #source: Source
  #current: Credentials | null = null
  #loading: Promise<Credentials> | null = null
  #triedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: CredentialsOptions) {
    this.#options = options
    this.#source = sourceOf(options)
  }

  /** Valid now. Rejects with an {@link ObjectError} when there are none. */
  async current(): Promise<Credentials> {
    const current = this.#current
    if (current === null) return this.#load()
    const leftMs = current.expiresAtMs === null ? Number.POSITIVE_INFINITY : current.expiresAtMs - this.#options.system.clock.now()
    if (leftMs <= 0) return this.#load()
    if (leftMs < renewBeforeMs) this.#renew()
    return current
  }

  /** The store refused these: the next request gets others, if there are any. */
  refused(credentials: Credentials): void {
    if (this.#current === credentials) this.#current = null
  }

  #renew(): void {
    const nowMs = this.#options.system.clock.monotonic()
    if (this.#loading !== null || nowMs - this.#triedAtMs < renewPauseMs) return
    this.#load().catch(error => this.#options.report('credentials of the object store were not renewed; the old ones still hold', error))
  }

  #load(): Promise<Credentials> {
    if (this.#loading !== null) return this.#loading
    this.#triedAtMs = this.#options.system.clock.monotonic()
    const loading = this.#source.load().then(
      credentials => {
        this.#loading = null
        this.#current = credentials
        return credentials
      },
      error => {
        this.#loading = null
        throw new ObjectError(`no credentials from ${this.#source.name}: ${(error as Error).message}`, 'CredentialsUnavailable', null, true)
      },
    )
    this.#loading = loading
    return loading
  }
}

function sourceOf(options: CredentialsOptions): Source {
  const { environment, system } = options
  const accessKeyId = environment['AWS_ACCESS_KEY_ID']
  const secretAccessKey = environment['AWS_SECRET_ACCESS_KEY']
  if (accessKeyId !== undefined && accessKeyId !== '' && secretAccessKey !== undefined && secretAccessKey !== '') {
    const sessionToken = environment['AWS_SESSION_TOKEN'] || null
    return { name: 'AWS_ACCESS_KEY_ID', load: async () => ({ accessKeyId, secretAccessKey, sessionToken, expiresAtMs: null }) }
  }
  const tokenFile = environment['AWS_WEB_IDENTITY_TOKEN_FILE']
  const roleArn = environment['AWS_ROLE_ARN']
  if (tokenFile && roleArn) return { name: roleArn, load: () => fromWebIdentity(options, { tokenFile, roleArn }) }
  const path = environment['AWS_SHARED_CREDENTIALS_FILE'] ?? `${environment['HOME'] ?? ''}/.aws/credentials`
  const profile = environment['AWS_PROFILE'] ?? 'default'
  const named = environment['AWS_SHARED_CREDENTIALS_FILE'] !== undefined || environment['AWS_PROFILE'] !== undefined
  if (named || system.files.exists(path)) return { name: path, load: async () => fromFile(system, path, profile) }
  if (
    environment['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'] !== undefined ||
    environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'] !== undefined
  )
    return { name: 'the container role', load: () => fromContainer(options) }
  if (environment['AWS_EC2_METADATA_DISABLED'] === 'true')
    return {
      name: 'anywhere',
      load: () => Promise.reject(new Error('set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE')),
    }
  return { name: 'the instance role (IMDSv2)', load: () => fromInstance(options) }
}

function fromFile(system: System, path: string, profile: string): Credentials {
  const content = system.files.readFile(path)
  if (content === null) throw new Error('there is no such file')
  let section = ''
  const values = new Map<string, string>()
  for (const line of content.toString('utf8').split(/\r?\n/)) {
    const header = /^\s*\[\s*(?:profile\s+)?([^\]]*?)\s*\]/.exec(line)
    if (header !== null) section = header[1]!
    const entry = /^\s*([a-z_]+)\s*=\s*(.*?)\s*$/i.exec(line)
    if (entry !== null && section === profile) values.set(entry[1]!.toLowerCase(), entry[2]!)
  }
  const accessKeyId = values.get('aws_access_key_id')
  const secretAccessKey = values.get('aws_secret_access_key')
  if (!accessKeyId || !secretAccessKey) throw new Error(`the profile [${profile}] needs aws_access_key_id and aws_secret_access_key`)
  const expiresAtMs = system.clock.now() + fileHoldsMs
  return { accessKeyId, secretAccessKey, sessionToken: values.get('aws_session_token') || null, expiresAtMs }
}

/** The token is read each time: Kubernetes renews it. It is what authenticates the request, so that needs no signature. */
async function fromWebIdentity(
  options: CredentialsOptions,
  { tokenFile, roleArn }: { tokenFile: string; roleArn: string },
): Promise<Credentials> {
  const { environment, system, region, transport } = options
  const token = system.files.readFile(tokenFile)?.toString('utf8').trim()
  if (!token) throw new Error(`${tokenFile} holds no token`)
  if (token.length > mostTokenBytes)
    throw new Error(`the token in ${tokenFile} has ${token.length} bytes; at most ${mostTokenBytes} are allowed`)
  const sessionName = environment['AWS_ROLE_SESSION_NAME'] || `millrace-${system.clock.now()}`
  if (!sessionNameRule.test(sessionName)) {
    throw new Error(`AWS_ROLE_SESSION_NAME=${sessionName} must have 2 to 64 letters, digits and characters of _+=,.@-`)
  }
  const url = stsOf(environment, region)
  const form = new URLSearchParams({ Action: 'AssumeRoleWithWebIdentity', Version: '2011-06-15', RoleArn: roleArn })
  form.set('RoleSessionName', sessionName)
  form.set('WebIdentityToken', token)
  const { status, body } = await transport.send({
    method: 'POST',
    origin: url.origin,
    path: url.pathname,
    headers: { host: url.host, 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    body: [Buffer.from(form.toString())],
    timeoutMs: stsTimeoutMs,
    mostBytes: mostAnswerBytes,
  })
  const xml = body.toString('utf8')
  if (status !== 200) throw new Error(`${url.origin} answered ${status} ${textOf(xml, 'Code') ?? ''}: ${textOf(xml, 'Message') ?? ''}`)
  const answer = { AccessKeyId: textOf(xml, 'AccessKeyId'), SecretAccessKey: textOf(xml, 'SecretAccessKey') }
  return fromAnswer({ ...answer, Token: textOf(xml, 'SessionToken'), Expiration: textOf(xml, 'Expiration') })
}

/** Of the region, as AWS's SDKs have it. The token must not be sent in clear to just anybody. */
function stsOf(environment: Environment, region: string): URL {
  const own = environment['AWS_ENDPOINT_URL_STS'] || environment['AWS_ENDPOINT_URL'] || null
  const near = environment['AWS_REGION'] || environment['AWS_DEFAULT_REGION'] || region
  const url = new URL(own ?? `https://sts.${near}.amazonaws.com${near.startsWith('cn-') ? '.cn' : ''}`)
  if (url.protocol !== 'https:' && !isLoopback(url.hostname)) throw new Error(`${url.hostname} needs https`)
  return url
}

async function fromContainer(options: CredentialsOptions): Promise<Credentials> {
  const { environment, system } = options
  const relative = environment['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
  const url = new URL(relative === undefined ? environment['AWS_CONTAINER_CREDENTIALS_FULL_URI']! : `${containerAddress}${relative}`)
  const trusted = ['169.254.170.2', '169.254.170.23', '[fd00:ec2::23]']
  // As in AWS's own clients: a token must not be sent in clear to just anybody.
  if (url.protocol !== 'https:' && !trusted.includes(url.hostname) && !isLoopback(url.hostname))
    throw new Error(`${url.hostname} needs https`)
  const file = environment['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE']
  const token = file === undefined ? environment['AWS_CONTAINER_AUTHORIZATION_TOKEN'] : system.files.readFile(file)?.toString('utf8').trim()
  if (file !== undefined && !token) throw new Error(`${file} holds no token`)
  return fromJson(await ask(options, 'GET', url, token ? { authorization: token } : {}))
}

async function fromInstance(options: CredentialsOptions): Promise<Credentials> {
  const address = options.environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? instanceAddress
  const at = (path: string) => new URL(path, address)
  const token = await ask(options, 'PUT', at('/latest/api/token'), { 'x-aws-ec2-metadata-token-ttl-seconds': '21600' })
  const headers = { 'x-aws-ec2-metadata-token': token }
  const roles = await ask(options, 'GET', at('/latest/meta-data/iam/security-credentials/'), headers)
  const role = roles.split('\n')[0]!.trim()
  if (role === '') throw new Error('the instance has no role')
  return fromJson(await ask(options, 'GET', at(`/latest/meta-data/iam/security-credentials/${encodeURIComponent(role)}`), headers))
}

async function ask(
  { transport }: CredentialsOptions,
  method: 'GET' | 'PUT',
  url: URL,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const { status, body } = await transport.send({
    method,
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    headers: { ...headers, host: url.host },
    body: [],
    timeoutMs: answerTimeoutMs,
    mostBytes: mostAnswerBytes,
  })
  if (status !== 200) throw new Error(`${url.origin}${url.pathname} answered ${status}`)
  return body.toString('utf8')
}

type Answer = Partial<Record<'AccessKeyId' | 'SecretAccessKey' | 'Token' | 'Expiration', unknown>>

function fromJson(text: string): Credentials {
  return fromAnswer(JSON.parse(text) as Answer)
}

function fromAnswer(answer: Answer): Credentials {
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: token, Expiration: expiration } = answer
  if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string') throw new Error('the answer holds no keys')
  const expiresAtMs = typeof expiration === 'string' ? Date.parse(expiration) : Number.NaN
  return {
    accessKeyId,
    secretAccessKey,
    sessionToken: typeof token === 'string' ? token : null,
    expiresAtMs: Number.isNaN(expiresAtMs) ? null : expiresAtMs,
  }
}
