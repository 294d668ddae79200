/**
 * connect: connectors between topics and other systems, as Kafka Connect runs them.
 *
 * Hides converters and transforms. Connectors are written against `connector`.
 */
export { openPreview, type Preview, type Previewed, type SampleRecord } from './connect/preview.ts'
export { resolveProviders } from './connect/providers.ts'
export { pluginReference } from './connect/reference.ts'
