/** Redis of Debian, which syncs every write: entries of two streams, some before and some after it was killed. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { Restartable } from '../../connect-sinks/peers.ts'
import { Missing } from '../../support/cache.ts'
import { unique } from '../../support/kit.ts'
import { freePorts, start, until } from '../../support/run.ts'
import { records, requireOnce } from '../stage.ts'
import type { System } from '../suite.ts'

const program = '/usr/bin/redis-server'

export const redisSystem: System = {
  name: 'redis-streams',
  async run(judge, stage) {
    if (!existsSync(program)) throw new Missing('Redis is missing (apt-get install redis-server)')
    const port = await freePorts(1)
    const directory = mkdtempSync(join(tmpdir(), 'millrace-redis-'))
    const safe = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, ...safe]
    const server = await Restartable.start(port, () => start(program, args, join(directory, 'log')))
    const url = `redis://127.0.0.1:${port}`
    try {
      await judge('each-once', async () => {
        await write(url, 0, records / 2)
        const topic = unique('streams')
        const verdict = await stage.drive({
          connector: 'redis-streams',
          topic,
          config: { 'redis.uri': url, 'redis.stream.name': 'one,two', topic, 'batch.size': '200' },
          kills: 4,
          numberOf: value => Number((JSON.parse(value) as { body: { n: string } }).body.n),
          async harm() {
            await server.restart()
            await write(url, records / 2, records)
          },
        })
        return requireOnce(verdict)
      })
    } finally {
      await server.kill()
      rmSync(directory, { recursive: true, force: true })
    }
  },
}

async function write(url: string, from: number, to: number): Promise<void> {
  const client = createClient({ url })
  client.on('error', error => console.error(`Redis: ${error.message}`))
  await client.connect()
  // It accepts connections while it reads its data.
  await until(async () => (await client.ping().catch(() => '')) === 'PONG', 'Redis')
  for (let at = from; at < to; at += 1_000) {
    const some = Array.from({ length: Math.min(1_000, to - at) }, (_, index) => at + index)
    await Promise.all(some.map(n => client.xAdd(n % 2 === 0 ? 'one' : 'two', '*', { n: String(n), text: `Grüße ${n}` })))
  }
  client.destroy()
}
