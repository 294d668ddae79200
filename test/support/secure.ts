/** For tests of the command line: a broker in memory with TLS, SASL and ACLs, and the command as a process of its own. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Millrace, startBroker } from '../../src/millrace.ts'

const program = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
export const fixture = (name: string) => fileURLToPath(new URL(`../security/fixtures/${name}`, import.meta.url))

export interface Outcome {
  code: number
  out: string
  err: string
}

export interface Run {
  env?: Record<string, string>
  input?: string
}

export interface SecureBroker {
  broker: Millrace
  /** Kafka's client properties of the super user `admin`, in a file. */
  adminConfig: string
  /** Writes client properties and returns the path. */
  file(name: string, properties: Record<string, string>): string
  /** As `admin`, unless `env` says otherwise. */
  run(args: readonly string[], options?: Run): Promise<Outcome>
  /** The same, which must succeed; returns what was printed. */
  ok(args: readonly string[], options?: Run): Promise<string>
  json(args: readonly string[], options?: Run): Promise<never>
  /** Messages that the broker logged. */
  readonly logged: string[]
  close(): Promise<void>
}

export const jaas = (user: string, password: string, module = 'plain.PlainLoginModule', more = '') =>
  `org.apache.kafka.common.security.${module} required username="${user}" password="${password}" ${more};`

export async function startSecure(config: Record<string, string> = {}): Promise<SecureBroker> {
  const pem = readFileSync(fixture('broker.pem'), 'utf8')
  const logged: string[] = []
  const log = (_details: object, message: string) => void logged.push(message)
  const broker = await startBroker({
    memory: true,
    logger: { debug() {}, info: log, warn: log, error: log },
    config: {
      listeners: 'SASL_SSL://127.0.0.1:0',
      'ssl.keystore.key': pem,
      'ssl.keystore.certificate.chain': pem,
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'listener.name.sasl_ssl.plain.sasl.jaas.config': jaas('admin', 'admin-pw', 'plain.PlainLoginModule', 'user_admin="admin-pw"'),
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:admin',
      'delegation.token.secret.key': 'a secret of the test',
      'group.initial.rebalance.delay.ms': '0',
      'connection.failed.authentication.delay.ms': '20',
      ...config,
    },
  })
  const directory = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
  const file = (name: string, properties: Record<string, string>) => {
    const path = join(directory, name)
    writeFileSync(
      path,
      Object.entries(properties)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(''),
    )
    return path
  }
  const adminConfig = file('admin.properties', {
    'security.protocol': 'SASL_SSL',
    'sasl.mechanism': 'PLAIN',
    'sasl.jaas.config': jaas('admin', 'admin-pw'),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': fixture('ca.pem'),
  })
  const run = (args: readonly string[], { env = { MILLRACE_CLIENT_CONFIG: adminConfig }, input = '' }: Run = {}) =>
    new Promise<Outcome>(resolve => {
      const environment = { PATH: process.env.PATH, HOME: process.env.HOME, MILLRACE_BOOTSTRAP: broker.address, ...env }
      const child = execFile(process.execPath, [program, ...args], { env: environment, timeout: 60_000 }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err })
      })
      child.stdin?.end(input)
    })
  const ok = async (args: readonly string[], options?: Run) => {
    const { code, out, err } = await run(args, options)
    if (code !== 0) throw new Error(`millrace ${args.join(' ')} ends with ${code}: ${err}`)
    return out
  }
  return {
    broker,
    logged,
    adminConfig,
    file,
    run,
    ok,
    json: async (args, options) => JSON.parse(await ok([...args, '--json'], options)) as never,
    close: async () => {
      rmSync(directory, { recursive: true, force: true })
      await broker.close()
    },
  }
}
