/** For tests of the command line: a broker in memory with TLS, SASL and ACLs, and commands run in a separate process. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { plainLogin } from '../security/support.ts'
import { startRunner } from './cli-runner.ts'
import type { Outcome, Run, Subject } from './cli-scenarios.ts'
import { rawClient } from './client.ts'

export const fixture = (name: string) => fileURLToPath(new URL(`../security/fixtures/${name}`, import.meta.url))

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
  readonly subject: Subject
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
  const runner = startRunner()
  const run = (args: readonly string[], { env = { MILLRACE_CLIENT_CONFIG: adminConfig }, input }: Run = {}) =>
    runner.run(args, { MILLRACE_BOOTSTRAP: broker.address, ...env }, input)
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
    subject: subject(broker, run),
    close: async () => {
      runner.close()
      rmSync(directory, { recursive: true, force: true })
      await broker.close()
    },
  }
}

function subject(broker: Millrace, run: Subject['run']): Subject {
  let used = 0
  return {
    unique: kind => `${kind}-${++used}`,
    run,
    login: (user, password) => ({ MILLRACE_USERNAME: user, MILLRACE_PASSWORD: password, MILLRACE_CA: fixture('ca.pem') }),
    async raw(to) {
      const socket = connectTls({ port: to?.port ?? broker.port, host: '127.0.0.1', ca: readFileSync(fixture('ca.pem')) })
      await once(socket, 'secureConnect')
      const client = rawClient(socket)
      await plainLogin(client, 'admin', 'admin-pw')
      return client
    },
  }
}
