/**
 * Reads the metrics that clients push: OpenTelemetry's MetricsData in protocol buffers. Keeps gauges, sums, and the count and sum of
 * histograms. The input is untrusted: every length is checked before it is used, and everything kept is bounded.
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

/** Of one push, of all its messages: a field may have two bytes, and reading it takes as long as reading a long one. */
const mostFields = 100_000

/** Throws RangeError if the input is not MetricsData, or too large. */
export function readMetrics(bytes: Buffer): Measurement[] {
  return new MetricsReader().read(bytes)
}

const gauge = 5
const sum = 7
const histogram = 9
const deltaTemporality = 1

class MetricsReader {
  readonly #found: Measurement[] = []
  #fieldsLeft = mostFields

  read(bytes: Buffer): Measurement[] {
    this.#eachMessage(bytes, 1, resource =>
      this.#eachMessage(resource, 2, scope => this.#eachMessage(scope, 2, metric => this.#readMetric(metric))),
    )
    return this.#found
  }

  #readMetric(bytes: Buffer): void {
    let name = ''
    const data: [kind: number, bytes: Buffer][] = []
    this.#eachField(bytes, (field, value) => {
      if (field === 1 && Buffer.isBuffer(value)) name = textOf(value)
      else if ((field === gauge || field === sum || field === histogram) && Buffer.isBuffer(value)) data.push([field, value])
    })
    for (const [kind, content] of data) {
      let temporality = 0
      let monotonic = false
      this.#eachField(content, (field, value) => {
        if (field === 2 && typeof value === 'number') temporality = value
        if (field === 3 && typeof value === 'number') monotonic = value !== 0
      })
      const isDelta = kind !== gauge && temporality === deltaTemporality
      const add = (suffix: string, value: number | null, attributes: Measurement['attributes'], isCounter: boolean) => {
        if (value !== null && this.#found.length < mostMeasurements)
          this.#found.push({ name: name + suffix, attributes, value, isDelta, isCounter })
      }
      this.#eachMessage(content, 1, point => {
        if (kind === histogram) {
          const { count, total, attributes } = this.#readHistogramPoint(point)
          add('.count', count, attributes, true)
          add('.sum', total, attributes, true)
        } else {
          const { value, attributes } = this.#readNumberPoint(point)
          add('', value, attributes, kind === sum && monotonic)
        }
      })
    }
  }

  #readNumberPoint(bytes: Buffer): { value: number | null; attributes: Measurement['attributes'] } {
    let value: number | null = null
    const attributes: [string, string][] = []
    this.#eachField(bytes, (field, content) => {
      if (!Buffer.isBuffer(content)) return
      if (field === 4 && content.length === 8) value = content.readDoubleLE(0)
      else if (field === 6 && content.length === 8) value = Number(content.readBigInt64LE(0))
      else if (field === 7) this.#readAttribute(content, attributes)
    })
    return { value, attributes }
  }

  #readHistogramPoint(bytes: Buffer): { count: number | null; total: number | null; attributes: Measurement['attributes'] } {
    let count: number | null = null
    let total: number | null = null
    const attributes: [string, string][] = []
    this.#eachField(bytes, (field, content) => {
      if (!Buffer.isBuffer(content)) return
      if (field === 4 && content.length === 8) count = Number(content.readBigUInt64LE(0))
      else if (field === 5 && content.length === 8) total = content.readDoubleLE(0)
      else if (field === 9) this.#readAttribute(content, attributes)
    })
    return { count, total, attributes }
  }

  #readAttribute(bytes: Buffer, attributes: [string, string][]): void {
    if (attributes.length >= mostAttributes) return
    let key = ''
    let text = ''
    this.#eachField(bytes, (field, content) => {
      if (!Buffer.isBuffer(content)) return
      if (field === 1) key = textOf(content)
      else if (field === 2) text = this.#readAnyValue(content)
    })
    if (key !== '') attributes.push([key, text])
  }

  #readAnyValue(bytes: Buffer): string {
    let text = ''
    this.#eachField(bytes, (field, value) => {
      if (field === 1 && Buffer.isBuffer(value)) text = textOf(value)
      else if (field === 2) text = String(value !== 0)
      else if (field === 3) text = String(value)
      else if (field === 4 && Buffer.isBuffer(value) && value.length === 8) text = String(value.readDoubleLE(0))
    })
    return text
  }

  #eachMessage(bytes: Buffer, wanted: number, take: (message: Buffer) => void): void {
    this.#eachField(bytes, (field, value) => {
      if (field === wanted && Buffer.isBuffer(value)) take(value)
    })
  }

  /** Varints come as numbers (what is beyond 2^53 is not exact), all else as bytes. */
  #eachField(bytes: Buffer, take: (field: number, value: number | Buffer) => void): void {
    let at = 0
    const varint = (): number => {
      let value = 0
      for (let shift = 0; shift < 70; shift += 7) {
        const byte = bytes[at++]
        if (byte === undefined) throw new RangeError('a varint extends beyond its message')
        value += (byte & 0x7f) * 2 ** shift
        if (byte < 0x80) return value
      }
      throw new RangeError('a varint of more than ten bytes')
    }
    const slice = (length: number): Buffer => {
      if (length > bytes.length - at) throw new RangeError(`a field of ${length} bytes extends beyond its message`)
      at += length
      return bytes.subarray(at - length, at)
    }
    while (at < bytes.length) {
      if (--this.#fieldsLeft < 0) throw new RangeError(`more than ${mostFields} fields`)
      const tag = varint()
      const field = Math.floor(tag / 8)
      const wireType = tag % 8
      if (wireType === 0) take(field, varint())
      else if (wireType === 1) take(field, slice(8))
      else if (wireType === 2) take(field, slice(varint()))
      else if (wireType === 5) take(field, slice(4))
      else throw new RangeError(`wire type ${wireType} is not supported`)
    }
  }
}

function textOf(bytes: Buffer): string {
  return bytes.toString('utf8', 0, Math.min(bytes.length, longestText))
}
