/** Kafka's DumpLogSegments over everything that the other suites have left in the data directory; see compat/dump-log.ts. */
import { dirname, join } from 'node:path'
import { kafkaJars, Missing } from '../support/cache.ts'
import { run } from '../support/run.ts'
import type { Suite } from '../support/suite.ts'

const client = 'kafka-dump-log'

export const dumpLog: Suite = {
  folder: 'dump-log',
  clients: [client],
  async run({ data, kafkaVersion }, report) {
    if (data === undefined || kafkaVersion !== undefined) throw new Missing('the data directory is not one of Millrace’s')
    const jars = dirname(await kafkaJars('4.3.1'))
    const { code, stdout, stderr, seconds } = await run(process.execPath, [join(import.meta.dirname, '../dump-log.ts'), jars, data])
    const partitions = stdout.match(/^ok /gm)?.length ?? 0
    const complaints = (stdout + stderr).split('\n').filter(line => line !== '' && !line.startsWith('ok '))
    if (code === 0 && partitions === 0) complaints.push('no segment has been written yet; run it together with suites that write more')
    const outcome = code === 0 && partitions > 0 ? 'ok' : 'FAIL'
    const detail =
      outcome === 'ok'
        ? `(${Math.round(seconds * 1000)} ms, ${partitions} partitions)`
        : complaints.join(' ').replace(/\s+/g, ' ').slice(0, 500)
    report({ client, name: 'segments', outcome, detail })
  },
}
