/**
 * The broker of `npm run sim -- worst`: a separate process, in memory, that reports how long the turns of its event loop took, in processor
 * time, so that other work on the machine has no influence. Two listeners: PLAINTEXT for clients without permissions, SASL_PLAINTEXT for admin.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { memoryFileSystem, realSystem } from '../../src/base.ts'
import { loadBrokerConfig, startBroker } from '../../src/broker.ts'
import { TurnMeter, type Turns } from './turn-meter.ts'

export interface Report extends Turns {
  /** Lines of the audit log since the last report. */
  auditLines: number
}

export type Question = 'report' | 'used bytes'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="admin-pw";'
let auditLines = 0
const diskBytes = 2 ** 40
const disk = memoryFileSystem({ capacityBytes: diskBytes })
const broker = await startBroker({
  system: realSystem(disk),
  config: loadBrokerConfig({
    set: {
      listeners: 'PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0',
      'http.listen': '127.0.0.1:0',
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl_plaintext.plain.sasl.jaas.config': jaas,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:admin',
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
      'group.initial.rebalance.delay.ms': '0',
      ...JSON.parse(process.argv[2] ?? '{}'),
    },
  }),
  onThisMachine: false,
  onFatal(error) {
    throw error
  },
  logger: {
    debug() {},
    warn() {},
    error: (details, message) => console.error(message, details),
    info(_, message) {
      if (message.startsWith('audit:')) auditLines++
    },
  },
})

const meter = new TurnMeter()

/** After everything that nobody needs was collected, without what lies on the disk: that is in memory as well, but not the broker's. */
async function usedBytes(): Promise<number> {
  collectGarbage()
  // What finalizers let go is collected by the second.
  await sleep(50)
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external - (diskBytes - disk.freeBytes('/'))
}

process.on('message', async (question: Question) => {
  meter.count()
  if (question === 'used bytes') process.send!(await usedBytes())
  else process.send!({ ...meter.turns, auditLines } satisfies Report)
  // What follows is no longer what was asked for; nor is a collection the broker's work.
  setImmediate(() => {
    auditLines = 0
    meter.reset()
  })
})
// Whoever started this process is gone when its channel closes: then this one must not stay behind.
process.on('disconnect', () => process.exit(0))
process.send!({ ...Object.fromEntries(broker.ports), http: broker.httpPort })
