/** A broker in memory with several listeners, and clients that authenticate by hand. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import type { TestContext } from 'node:test'
import { memoryFileSystem, realSystem } from '../../src/base.ts'
import { loadBrokerConfig, type RunningBroker, startBroker } from '../../src/broker.ts'
import type { Logger } from '../../src/logger.ts'
import { apis } from '../../src/protocol.ts'
import { connect, type RawClient } from '../support/client.ts'

export interface LogLine {
  level: string
  message: string
  details: Record<string, unknown>
}

export interface Secured {
  readonly running: RunningBroker
  readonly lines: LogLine[]
  port(listener: string): number
  connect(listener: string): Promise<RawClient>
  /** Through the listener SASL_PLAINTEXT; rejects with what the broker said. */
  login(user: string, password: string): Promise<RawClient>
}

/** The users of SASL PLAIN in tests: name and password are the same but for `-pw`. */
const plainUsers = ['admin', 'alice', 'bob']

export const authorizer = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:admin;User:ANONYMOUS',
}

export async function startSecured(
  t: TestContext,
  config: Record<string, string> = {},
  files: Record<string, Buffer> = {},
): Promise<Secured> {
  const users = plainUsers.map(user => `user_${user}="${user}-pw"`).join(' ')
  const set = {
    'http.listen': 'none',
    listeners: 'PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.sasl_plaintext.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${users};`,
    'connection.failed.authentication.delay.ms': '20',
    'group.initial.rebalance.delay.ms': '0',
    ...config,
  }
  const lines: LogLine[] = []
  const system = realSystem(memoryFileSystem())
  for (const [path, content] of Object.entries(files)) {
    system.files.makeDirectory(path.slice(0, path.lastIndexOf('/')))
    await system.files.replaceFile(path, content)
  }
  const running = await startBroker({
    system,
    config: loadBrokerConfig({ set }),
    logger: recorder(lines),
    onFatal: error => assertNever(error),
  })
  t.after(() => running.close())
  const clients: RawClient[] = []
  const secured: Secured = {
    running,
    lines,
    port: listener => running.ports.get(listener)!,
    async connect(listener) {
      const client = await connect(secured.port(listener))
      clients.push(client)
      return client
    },
    async login(user, password) {
      const client = await secured.connect('SASL_PLAINTEXT')
      await plainLogin(client, user, password)
      return client
    },
  }
  t.after(() => {
    for (const client of clients) client.close()
  })
  return secured
}

export async function plainLogin(client: RawClient, user: string, password: string, version = 2): Promise<number> {
  await handshake(client, 'PLAIN')
  const response = await client.request(apis.saslAuthenticate, version, { authBytes: Buffer.from(`\0${user}\0${password}`) })
  if (response.errorCode !== 0) throw new Error(response.errorMessage ?? String(response.errorCode))
  return Number(response.sessionLifetimeMs)
}

export async function handshake(client: RawClient, mechanism: string, version = 1): Promise<string[]> {
  const response = await client.request(apis.saslHandshake, version, { mechanism })
  if (response.errorCode !== 0) throw new Error(`handshake: ${response.errorCode}`)
  return [...response.mechanisms]
}

/** Runs SCRAM-SHA-256 by SaslAuthenticate; returns how long the session lives. */
export async function scramLogin(client: RawClient, user: string, password: string, extensions = ''): Promise<number> {
  await handshake(client, 'SCRAM-SHA-256')
  const send = async (text: string) => {
    const response = await client.request(apis.saslAuthenticate, 2, { authBytes: Buffer.from(text) })
    if (response.errorCode !== 0) throw new Error(response.errorMessage ?? String(response.errorCode))
    return response
  }
  const bare = `n=${user},r=nonce${extensions}`
  const first = (await send(`n,,${bare}`)).authBytes.toString()
  const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(first)!
  const salted = pbkdf2Sync(password, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256')
  const key = createHmac('sha256', salted).update('Client Key').digest()
  const final = `c=biws,r=${nonce}`
  const signature = createHmac('sha256', createHash('sha256').update(key).digest()).update(`${bare},${first},${final}`).digest()
  const proof = Buffer.from(key.map((byte, at) => byte ^ signature[at]!)).toString('base64')
  return Number((await send(`${final},p=${proof}`)).sessionLifetimeMs)
}

/** Through a client that may. */
export async function addScramUser(client: RawClient, name: string, password: string, iterations = 4096): Promise<number> {
  const salt = Buffer.from(`salt of ${name}`)
  const saltedPassword = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const upsertions = [{ name, mechanism: 1, iterations, salt, saltedPassword }]
  const response = await client.request(apis.alterUserScramCredentials, 0, { deletions: [], upsertions })
  return response.results[0]!.errorCode
}

function recorder(lines: LogLine[]): Logger {
  const at = (level: string) => (details: object, message: string) => void lines.push({ level, message, details: details as never })
  return { level: 'debug', debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function assertNever(error: Error): never {
  throw error
}
