/** kcat from the distribution: the librdkafka that people have on their machines, some years old. */
import { needs } from '../support/cache.ts'
import { Skip, unique } from '../support/kit.ts'
import { must, run } from '../support/run.ts'
import type { Credentials, Secured } from '../support/secured.ts'
import type { Report, Suite } from '../support/suite.ts'

export const kcat: Suite = {
  folder: 'kcat',
  clients: ['kcat'],
  async run(target, report) {
    await needs('kcat', 'Debian: apt-get install kcat')
    const secured = await target.secured()
    const all = { ...cases(target.bootstrap), ...transactionCases(target.bootstrap), ...securedCases(secured) }
    for (const [name, body] of Object.entries(all)) await check(name, body, report)
  },
}

async function check(name: string, body: () => Promise<void>, report: Report): Promise<void> {
  const began = performance.now()
  try {
    await body()
    report({ client: 'kcat', name, outcome: 'ok', detail: `(${Math.round(performance.now() - began)} ms)` })
  } catch (error) {
    if (error instanceof Skip) return report({ client: 'kcat', name, outcome: 'skip', detail: error.message })
    report({ client: 'kcat', name, outcome: 'FAIL', detail: (error as Error).message.replace(/\s+/g, ' ').slice(0, 400) })
  }
}

function cases(bootstrap: string): Record<string, () => Promise<void>> {
  const kcatWith = (args: readonly string[], stdin = '') => must('kcat', ['-b', bootstrap, ...args], { seconds: 45, stdin })
  const send = (topic: string, stdin: string, ...args: string[]) => kcatWith(['-P', '-t', topic, '-K', ':', ...args], stdin)
  const lines = Array.from({ length: 200 }, (_, i) => `k${i}:v${i}`)
  const roundTrip = (codec: string) => async () => {
    const topic = unique('topic')
    await send(topic, lines.join('\n'), ...(codec === 'none' ? [] : ['-z', codec]))
    same(await kcatWith(['-C', '-t', topic, '-e', '-q', '-K', ':']), lines)
  }
  return {
    roundtrip: roundTrip('none'),
    gzip: roundTrip('gzip'),
    snappy: roundTrip('snappy'),
    lz4: roundTrip('lz4'),
    zstd: roundTrip('zstd'),
    async headers() {
      const topic = unique('topic')
      await send(topic, 'k:v', '-H', 'a=1', '-H', 'b=2')
      same(await kcatWith(['-C', '-t', topic, '-e', '-q', '-f', '%h %k %s\n']), ['a=1,b=2 k v'])
    },
    async idempotent() {
      const topic = unique('topic')
      await send(topic, lines.join('\n'), '-X', 'enable.idempotence=true')
      same(await kcatWith(['-C', '-t', topic, '-e', '-q', '-K', ':']), lines)
    },
    async 'commit-resume'() {
      const topic = unique('topic')
      const group = ['-G', unique('group'), topic, '-X', 'auto.offset.reset=earliest', '-q']
      await send(topic, lines.join('\n'))
      const first = await kcatWith([...group, '-c', '150', '-K', ':'])
      const rest = await kcatWith([...group, '-c', '50', '-K', ':'])
      same(first + rest, lines)
    },
    async seek() {
      const topic = unique('topic')
      await send(topic, lines.join('\n'), '-p', '0')
      same(await kcatWith(['-C', '-t', topic, '-p', '0', '-o', '-3', '-e', '-q']), ['v197', 'v198', 'v199'])
    },
    async 'time-lookup'() {
      const topic = unique('topic')
      await send(topic, lines.join('\n'), '-p', '0')
      same(await kcatWith(['-Q', '-t', `${topic}:0:${Date.now() - 3_600_000}`]), [`${topic} [0] offset 0`])
    },
    async metadata() {
      const topic = unique('topic')
      await send(topic, 'k:v')
      const { topics } = JSON.parse(await kcatWith(['-L', '-J', '-t', topic])) as { topics: { partitions: { leader: number }[] }[] }
      const leaders = topics[0]!.partitions.map(({ leader }) => leader)
      if (leaders.length === 0 || leaders.some(leader => leader < 0)) throw new Error(`leaders: ${leaders}`)
    },
  }
}

function transactionCases(bootstrap: string): Record<string, () => Promise<void>> {
  return {
    async 'txn-commit'() {
      const topic = unique('topic')
      await must('kcat', ['-b', bootstrap, '-P', '-t', topic, '-X', `transactional.id=${unique('txn')}`], { seconds: 45, stdin: 'a\nb\n' })
      const read = ['-b', bootstrap, '-C', '-t', topic, '-e', '-q', '-X', 'isolation.level=read_committed']
      same(await must('kcat', read, { seconds: 45 }), ['a', 'b'])
    },
  }
}

/**
 * This librdkafka has no group protocol of KIP-848; a token it takes only from an OIDC server; its SCRAM is refused by a real Kafka, too
 * ("invalid credentials", with the password that newer ones come in with).
 */
function securedCases(secured: Secured | null): Record<string, () => Promise<void>> {
  const names = ['tls', 'mtls', 'sasl-plain', 'sasl-plaintext', 'wrong-password', 'wrong-ca', 'forbidden-topic']
  if (secured === null)
    return Object.fromEntries(names.map(name => [name, () => Promise.reject(new Skip('it needs a broker that the harness started'))]))
  const { bootstraps, files, user, admin } = secured
  type Listener = keyof typeof bootstraps
  const options = (values: Record<string, string>) => Object.entries(values).flatMap(([key, value]) => ['-X', `${key}=${value}`])
  const tls = (listener: Listener, ca = files.ca, more = {}) => [
    ...['-b', bootstraps[listener]],
    ...options({ 'security.protocol': 'SSL', 'ssl.ca.location': ca, ...more }),
  ]
  const sasl = (mechanism: string, { listener = 'SASL_SSL' as Listener, who = user } = {}) => {
    const login = { 'sasl.mechanism': mechanism, 'sasl.username': who.name, 'sasl.password': who.password }
    const protocol = listener === 'SASL_PLAINTEXT' ? 'SASL_PLAINTEXT' : 'SASL_SSL'
    return [...tls(listener), ...options({ 'security.protocol': protocol, ...login })]
  }
  const works = (base: readonly string[]) => async () => {
    const topic = unique('topic')
    await must('kcat', [...base, '-P', '-t', topic], { seconds: 45, stdin: 'a\nb\n' })
    same(await must('kcat', [...base, '-C', '-t', topic, '-e', '-q'], { seconds: 45 }), ['a', 'b'])
  }
  const fails = async (args: readonly string[], words: RegExp) => {
    const { code, stderr } = await run('kcat', args, { seconds: 20, stdin: 'v\n' })
    if (code === 0 || !words.test(stderr)) throw new Error(`ended with ${code}: ${stderr}`)
  }
  const wrong: Credentials = { name: user.name, password: 'guess' }
  return {
    tls: works(tls('TLS')),
    mtls: works(tls('SSL', files.ca, { 'ssl.certificate.location': files.clientCert, 'ssl.key.location': files.clientKey })),
    'sasl-plain': works(sasl('PLAIN')),
    'sasl-plaintext': works(sasl('PLAIN', { listener: 'SASL_PLAINTEXT' })),
    async 'wrong-password'() {
      for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
        await fails([...sasl(mechanism, { who: wrong }), '-L', '-m', '10'], /[Aa]uthentication/)
    },
    'wrong-ca': () => fails([...tls('TLS', files.otherCa), '-L', '-m', '10'], /certificate verify failed/),
    async 'forbidden-topic'() {
      const topic = `forbidden-${unique('topic')}`
      await must('kcat', [...sasl('PLAIN', { who: admin }), '-P', '-t', topic], { seconds: 45, stdin: 'v\n' })
      const base = sasl('PLAIN')
      await fails([...base, '-P', '-t', topic], /Topic authorization failed/)
      await fails([...base, '-C', '-t', topic, '-e'], /Topic authorization failed/)
      await fails([...base, '-G', 'forbidden', unique('topic')], /authoriz\w+ .*group|Group authorization/i)
    },
  }
}

/** The same lines, whatever their order: partitions are read as they come. */
function same(output: string, wanted: readonly string[]): void {
  const got = output.trim().split('\n').sort()
  if (got.join('\n') === wanted.toSorted().join('\n')) return
  throw new Error(`got ${got.length} lines (${got.slice(0, 3).join(' | ')}), not ${wanted.length}`)
}
