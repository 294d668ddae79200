/** How soon the services are there when `millrace start` runs them, and what they take when nobody uses them. */
import { type RunningBroker, startMillrace } from '../../compat/support/brokers.ts'
import { accepts, freePorts, until } from '../../compat/support/run.ts'
import { checkoutOf } from '../cluster/peers.ts'
import { pause, rssOf } from '../measure.ts'
import { free, megabyte, type RowOf } from '../row.ts'

const restMs = 15_000
const names = ['console', 'registry', 'rest'] as const

/** Of the newest that was started. */
const ports = new WeakMap<RunningBroker, number>()

export const startRow: RowOf<RunningBroker> = {
  name: 'services-start',
  settings: `millrace start with services=${names.join()}; from the broker's first accepted connection until all ports accept; memory after ${restMs / 1_000} s without a request`,
  alone: 'Apache Kafka has no such services',
  cold: 'it measures starts',
  goals: [free('readyMs', 'ready after the broker', 1_500, 'ms'), free('restMegabytes', 'memory at rest', 150, 'MB')],
  async start(wanted) {
    const first = await freePorts(names.length)
    const keys = names.map((name, at) => [`${name}.port`, String(first + at)])
    const broker = await startMillrace({ services: names.join(), ...Object.fromEntries(keys) }, {}, checkoutOf(wanted))
    ports.set(broker, first)
    return broker
  },
  async measure({ broker, scale }) {
    const began = performance.now()
    const first = ports.get(broker)!
    await until(async () => (await Promise.all(names.map((_, at) => accepts(first + at)))).every(Boolean), `the services:\n${broker.log()}`)
    const readyMs = performance.now() - began
    await pause(restMs * scale)
    const pid = Number(/"pid":(\d+),"ports".*"the services are ready"/.exec(broker.log())?.[1])
    if (!Number.isInteger(pid)) throw new Error(`the services did not say their pid:\n${broker.log()}`)
    return { readyMs, restMegabytes: rssOf(pid) / megabyte }
  },
}
