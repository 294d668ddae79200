/**
 * Reads what clients push: OpenTelemetry's MetricsData in protocol buffers, of which gauges, sums, and the count and sum of histograms
 * are kept. Comes from clients: every length is checked before it is used, and all that is kept is bounded.
 */
export interface Measurement {
  readonly name: string
  readonly attributes: readonly (readonly [key: string, value: string])[]
  readonly value: number
  /** The difference to what was sent before, instead of the whole. */
  readonly isDelta: boolean
  readonly isCounter: boolean
}

/** Of one push. */
const mostMeasurements = 2_000
const mostAttributes = 16
const longestText = 128

/** Throws RangeError for what is no MetricsData. */
export function readMetrics(bytes: Buffer): Measurement[] {
  const found: Measurement[] = []
  eachMessage(bytes, 1, resource => eachMessage(resource, 2, scope => eachMessage(scope, 2, metric => readMetric(metric, found))))
  return found
}

const gauge = 5
const sum = 7
const histogram = 9
const deltaTemporality = 1

function readMetric(bytes: Buffer, found: Measurement[]): void {
  let name = ''
  const data: [kind: number, bytes: Buffer][] = []
  eachField(bytes, (field, value) => {
    if (field === 1 && Buffer.isBuffer(value)) name = textOf(value)
    else if ((field === gauge || field === sum || field === histogram) && Buffer.isBuffer(value)) data.push([field, value])
  })
  for (const [kind, content] of data) {
    let temporality = 0
    let monotonic = false
    eachField(content, (field, value) => {
      if (field === 2 && typeof value === 'number') temporality = value
      if (field === 3 && typeof value === 'number') monotonic = value !== 0
    })
    const isDelta = kind !== gauge && temporality === deltaTemporality
    const add = (suffix: string, value: number | null, attributes: Measurement['attributes'], isCounter: boolean) => {
      if (value !== null && found.length < mostMeasurements) found.push({ name: name + suffix, attributes, value, isDelta, isCounter })
    }
    eachMessage(content, 1, point => {
      if (kind === histogram) {
        const { count, total, attributes } = readHistogramPoint(point)
        add('.count', count, attributes, true)
        add('.sum', total, attributes, true)
      } else {
        const { value, attributes } = readNumberPoint(point)
        add('', value, attributes, kind === sum && monotonic)
      }
    })
  }
}

function readNumberPoint(bytes: Buffer): { value: number | null; attributes: Measurement['attributes'] } {
  let value: number | null = null
  const attributes: [string, string][] = []
  eachField(bytes, (field, content) => {
    if (!Buffer.isBuffer(content)) return
    if (field === 4 && content.length === 8) value = content.readDoubleLE(0)
    else if (field === 6 && content.length === 8) value = Number(content.readBigInt64LE(0))
    else if (field === 7) readAttribute(content, attributes)
  })
  return { value, attributes }
}

function readHistogramPoint(bytes: Buffer): { count: number | null; total: number | null; attributes: Measurement['attributes'] } {
  let count: number | null = null
  let total: number | null = null
  const attributes: [string, string][] = []
  eachField(bytes, (field, content) => {
    if (!Buffer.isBuffer(content)) return
    if (field === 4 && content.length === 8) count = Number(content.readBigUInt64LE(0))
    else if (field === 5 && content.length === 8) total = content.readDoubleLE(0)
    else if (field === 9) readAttribute(content, attributes)
  })
  return { count, total, attributes }
}

function readAttribute(bytes: Buffer, attributes: [string, string][]): void {
  if (attributes.length >= mostAttributes) return
  let key = ''
  let text = ''
  eachField(bytes, (field, content) => {
    if (!Buffer.isBuffer(content)) return
    if (field === 1) key = textOf(content)
    else if (field === 2) text = readAnyValue(content)
  })
  if (key !== '') attributes.push([key, text])
}

function readAnyValue(bytes: Buffer): string {
  let text = ''
  eachField(bytes, (field, value) => {
    if (field === 1 && Buffer.isBuffer(value)) text = textOf(value)
    else if (field === 2) text = String(value !== 0)
    else if (field === 3) text = String(value)
    else if (field === 4 && Buffer.isBuffer(value) && value.length === 8) text = String(value.readDoubleLE(0))
  })
  return text
}

function textOf(bytes: Buffer): string {
  return bytes.toString('utf8', 0, Math.min(bytes.length, longestText))
}

function eachMessage(bytes: Buffer, wanted: number, take: (message: Buffer) => void): void {
  eachField(bytes, (field, value) => {
    if (field === wanted && Buffer.isBuffer(value)) take(value)
  })
}

/** Varints come as numbers (what is beyond 2^53 is not exact), all else as bytes. */
function eachField(bytes: Buffer, take: (field: number, value: number | Buffer) => void): void {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined) throw new RangeError('a varint goes on beyond its message')
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a varint of more than ten bytes')
  }
  const slice = (length: number): Buffer => {
    if (length > bytes.length - at) throw new RangeError(`a field of ${length} bytes goes on beyond its message`)
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = varint()
    const field = Math.floor(tag / 8)
    const wireType = tag % 8
    if (wireType === 0) take(field, varint())
    else if (wireType === 1) take(field, slice(8))
    else if (wireType === 2) take(field, slice(varint()))
    else if (wireType === 5) take(field, slice(4))
    else throw new RangeError(`wire type ${wireType}`)
  }
}
