/** The thread of one preview: converters and scripts of strangers run here, as they do in the threads of tasks. */
import { parentPort, workerData } from 'node:worker_threads'
import { InvalidConfig, realSystem } from '../../base.ts'
import { fromSample } from '../../samples.ts'
import { openPreview, type Previewed } from '../preview.ts'
import { resolveProviders } from '../providers.ts'
import type { PreviewAnswer, PreviewOrder } from './host.ts'

const order = workerData as PreviewOrder
const system = realSystem()

async function run(): Promise<PreviewAnswer> {
  try {
    const preview = await openPreview(await withSecretsOfConverters(), order.worker, { system, schemas: false, registry: order.registry })
    const results: Previewed[] = []
    for (const sample of order.records) results.push(await preview.sink(fromSample(sample)))
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

run().then(answer => {
  parentPort!.postMessage(answer)
  parentPort!.close()
})
