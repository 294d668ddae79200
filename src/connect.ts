/**
 * connect: a worker of Kafka Connect, with its REST API, its topics and its group protocol: it runs connectors, by itself or with other workers.
 *
 * Hides converters and transforms, how workers share connectors and tasks, where everything is stored, that each task has a thread of its own, that what fails
 * is started again, and what happens to records that cannot be processed. Connectors are written against `connector`; those of this package are listed in
 * `connectors`.
 */
export { adviceOn } from './connect/advice.ts'
export { flowsIn } from './connect/mirror-maker.ts'
export { openConnect, openWorker, type WorkerOptions } from './connect/open.ts'
export { openPreview, type Preview, type Previewed, type SampleRecord } from './connect/preview.ts'
export { resolveProviders } from './connect/providers.ts'
export { pluginReference } from './connect/reference.ts'
export { type WorkerConfig, workerConfig } from './connect/worker-config.ts'
