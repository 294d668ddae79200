/** kcat from the distribution: librdkafka as people have it on their machines, some years old. */
import { needs } from '../support/cache.ts'
import { unique } from '../support/kit.ts'
import { must } from '../support/run.ts'
import type { Report, Suite } from '../support/suite.ts'

export const kcat: Suite = {
  folder: 'kcat',
  clients: ['kcat'],
  async run({ bootstrap }, report) {
    await needs('kcat', 'Debian: apt-get install kcat')
    for (const [name, body] of Object.entries(cases(bootstrap))) await check(name, body, report)
  },
}

async function check(name: string, body: () => Promise<void>, report: Report): Promise<void> {
  const began = performance.now()
  try {
    await body()
    report({ client: 'kcat', name, outcome: 'ok', detail: `(${Math.round(performance.now() - began)} ms)` })
  } catch (error) {
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

/** The same lines, whatever their order: partitions are read as they come. */
function same(output: string, wanted: readonly string[]): void {
  const got = output.trim().split('\n').sort()
  if (got.join('\n') === wanted.toSorted().join('\n')) return
  throw new Error(`got ${got.length} lines (${got.slice(0, 3).join(' | ')}), not ${wanted.length}`)
}
