/** The thread of one preview: converters and scripts of strangers run here, as they do in the threads of tasks. */
import { parentPort, workerData } from 'node:worker_threads'
import { InvalidConfig, realSystem } from '../../base.ts'
import { openPreview, type Previewed } from '../preview.ts'
import { resolveProviders } from '../providers.ts'
import type { PreviewAnswer, PreviewOrder } from './host.ts'

const order = workerData as PreviewOrder
const system = realSystem()

async function run(): Promise<PreviewAnswer> {
  try {
    const preview = await openPreview(await withSecretsOfConverters(), order.worker, { system, schemas: false, registry: order.registry })
    const results: Previewed[] = []
    for (const { topic, partition, offset, timestamp, key, value, headers } of order.records) {
      const sample = {
        ...{ topic, partition, offset: BigInt(offset), timestampMs: BigInt(timestamp), key: bytesOf(key), value: bytesOf(value) },
        headers: headers.map(each => ({ key: Buffer.from(each.key), value: bytesOf(each.value) })),
      }
      results.push(await preview.sink(sample))
    }
    return { results }
  } catch (error) {
    if (error instanceof InvalidConfig) return { invalid: error.message }
    throw error
  }
}

/** What a provider gives to a transform could be seen in its result. Converters need it, to reach their registry, and show nothing of it. */
async function withSecretsOfConverters(): Promise<Record<string, string>> {
  const entries = Object.entries(order.config)
  const ofConverters = entries.filter(([key]) => /^(?:key|value|header)\.converter\./.test(key))
  return { ...order.config, ...(await resolveProviders(Object.fromEntries(ofConverters), system, order.worker)) }
}

function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text, 'base64')
}

run().then(answer => {
  parentPort!.postMessage(answer)
  parentPort!.close()
})
