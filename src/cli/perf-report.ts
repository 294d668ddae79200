/** How `millrace perf` tells what it has measured: while it runs, and at the end. */
import { type LatencySummary, latencyText } from './latencies.ts'
import { plural, rateText, show, size } from './output.ts'

export interface Measured {
  readonly records: number
  readonly bytes: number
}

export function throughputText({ records, bytes }: Measured, seconds: number): string {
  return `${rateText(records / seconds)} records/s, ${size(BigInt(Math.round(bytes / seconds)))}/s`
}

/** `measured`: all of it is in the JSON. */
export async function showMeasured(
  json: boolean | undefined,
  measured: Measured,
  seconds: number,
  latencyMs: LatencySummary | null,
): Promise<void> {
  const { records, bytes } = measured
  const rates = { recordsPerSecond: Math.round(records / seconds), bytesPerSecond: Math.round(bytes / seconds) }
  await show(json, { ...measured, seconds: Number(seconds.toFixed(3)), ...rates, latencyMs }, () => {
    const done = `${plural(records, 'record')}, ${size(BigInt(bytes))} in ${seconds.toFixed(1)} s`
    return `${done}: ${rates.recordsPerSecond} records/s, ${size(BigInt(rates.bytesPerSecond))}/s\n${latencyText(latencyMs)}`
  })
}
