/** An endpoint on loopback, in a process of its own that is killed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Restartable } from '../../connect-sinks/peers.ts'
import { unique } from '../../support/kit.ts'
import { freePorts, start } from '../../support/run.ts'
import { records, requireOnce } from '../stage.ts'
import type { System } from '../suite.ts'

export const httpSystem: System = {
  name: 'http-source',
  async run(judge, stage) {
    const port = await freePorts(1)
    const directory = mkdtempSync(join(tmpdir(), 'millrace-http-'))
    const program = join(import.meta.dirname, '../pages-server.ts')
    const launch = () => start(process.execPath, [program, String(port), String(records)], join(directory, 'log'))
    const server = await Restartable.start(port, launch)
    try {
      await judge('each-once', async () => {
        const topic = unique('pages')
        const verdict = await stage.drive({
          connector: 'http-source',
          topic,
          config: {
            'http.request.url': `http://127.0.0.1:${port}/orders`,
            'http.request.params': 'after=${offset.key!"0"}',
            'http.response.list.pointer': '/items',
            'http.response.record.offset.pointer': 'key=/id',
            'http.timer.interval.millis': '20',
            'http.timer.catchup.interval.millis': '20',
            'kafka.topic': topic,
          },
          kills: 4,
          numberOf: value => (JSON.parse(value) as { id: number }).id,
          harm: () => server.restart(),
        })
        return requireOnce(verdict)
      })
    } finally {
      await server.kill()
      rmSync(directory, { recursive: true, force: true })
    }
  },
}
