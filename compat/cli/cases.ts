/** The scenarios of `test/support/cli-scenarios.ts`, by a super user. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { startRunner } from '../../test/support/cli-runner.ts'
import { type Subject, scenarios } from '../../test/support/cli-scenarios.ts'
import { rawClient } from '../../test/support/client.ts'
import { type Cases, runCases, unique } from '../support/kit.ts'
import type { Secured } from '../support/secured.ts'

type Described = Pick<Secured, 'bootstraps' | 'files' | 'admin'>

const { bootstraps, files, admin }: Described = JSON.parse(readFileSync(process.env.COMPAT_SECURED!, 'utf8'))
const bootstrap = bootstraps.SASL_SSL
const directory = mkdtempSync(join(tmpdir(), 'millrace-compat-cli-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
const adminConfig = join(directory, 'admin.properties')
writeFileSync(
  adminConfig,
  `security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-256
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="${admin.name}" password="${admin.password}";
ssl.truststore.type=PEM
ssl.truststore.location=${files.ca}
`,
)

const runner = startRunner()
process.on('exit', () => runner.close())

const subject: Subject = {
  unique,
  run: (args, { env = { MILLRACE_CLIENT_CONFIG: adminConfig }, input } = {}) =>
    runner.run(args, { MILLRACE_BOOTSTRAP: bootstrap, ...env }, input),
  login: (user, password) => ({ MILLRACE_USERNAME: user, MILLRACE_PASSWORD: password, MILLRACE_CA: files.ca }),
  /** Everybody is a super user on this listener. */
  async raw(to) {
    const [host, port] = bootstraps.TLS.split(',')[0]!.split(':')
    const socket = connect({ port: to?.port ?? Number(port), host: to?.host ?? host, ca: readFileSync(files.ca) })
    await once(socket, 'secureConnect')
    return rawClient(socket)
  },
}

const cases: Cases = {}
for (const [name, scenario] of Object.entries(scenarios)) cases[name] = () => scenario(subject)
await runCases(cases)
