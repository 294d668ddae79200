/** Mosquitto of Debian, which saves its sessions at each change: messages of QoS 1 and 2. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectAsync } from 'mqtt'
import { Restartable } from '../../connect-sinks/peers.ts'
import { Missing } from '../../support/cache.ts'
import { unique } from '../../support/kit.ts'
import { freePorts, start } from '../../support/run.ts'
import { records, requireAll } from '../stage.ts'
import type { System } from '../suite.ts'

const program = '/usr/sbin/mosquitto'
/** Mosquitto saves once a second at most; what it has not saved, nobody can get back. */
const savedMs = 3_000

export const mqttSystem: System = {
  name: 'mqtt',
  async run(judge, stage) {
    if (!existsSync(program)) throw new Missing('Mosquitto is missing (apt-get install mosquitto)')
    const port = await freePorts(1)
    const directory = mkdtempSync(join(tmpdir(), 'millrace-mqtt-'))
    const file = join(directory, 'mosquitto.conf')
    const lines = [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'user root',
      'persistence true',
      `persistence_location ${directory}/`,
      'autosave_on_changes false',
      'autosave_interval 1',
      'max_queued_messages 0',
      'max_inflight_messages 500',
    ]
    writeFileSync(file, `${lines.join('\n')}\n`)
    const server = await Restartable.start(port, () => start(program, ['-c', file], join(directory, 'log')))
    const url = `mqtt://127.0.0.1:${port}`
    try {
      for (const qos of [1, 2] as const)
        await judge(`none-lost-qos-${qos}`, async () => {
          const topic = unique(`mqtt-${qos}`)
          const session = await connectAsync(url, { clientId: topic, clean: false })
          await session.subscribeAsync(`plant-${qos}/#`, { qos })
          await session.endAsync()
          await publish(url, qos, 0, records / 2)
          const verdict = await stage.drive({
            connector: 'mqtt',
            topic,
            config: {
              'mqtt.server.uri': `tcp://127.0.0.1:${port}`,
              'mqtt.topics': `plant-${qos}/#`,
              'mqtt.qos': String(qos),
              'mqtt.client.id': topic,
              'kafka.topic': topic,
              'value.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
            },
            kills: 3,
            numberOf: value => Number(value),
            async harm() {
              await sleep(savedMs)
              await server.restart()
              await publish(url, qos, records / 2, records)
            },
          })
          return requireAll(verdict)
        })
    } finally {
      await server.kill()
      rmSync(directory, { recursive: true, force: true })
    }
  },
}

/** Resolves when the broker has acknowledged them. */
async function publish(url: string, qos: 1 | 2, from: number, to: number): Promise<void> {
  const client = await connectAsync(url)
  for (let at = from; at < to; at += 200)
    await Promise.all(
      Array.from({ length: Math.min(200, to - at) }, (_, index) =>
        client.publishAsync(`plant-${qos}/${index % 10}`, String(at + index), { qos }),
      ),
    )
  await client.endAsync()
}
