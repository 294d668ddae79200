/**
 * `npm run sim -- worst-services`: sends each service the worst requests that it permits. Its event loop must never be blocked, because all its users share it. Each is sent
 * twice: what is loaded and compiled for the first one is measured as well.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { openClient } from '../src/client.ts'
import { startBroker } from '../src/millrace.ts'
import { settingsFor } from '../test/services/settings.ts'
import { Finding } from './scenarios/finding.ts'
import { furnish, type Place, serviceRequests, type WorstRequest } from './worst/service-requests.ts'
import type { Turns } from './worst/turn-meter.ts'

export interface WorstServicesOptions {
  /** Only requests whose name has this in it. */
  only?: string
  /** Processor time that one turn of the event loop may take. */
  mostTurnMs: number
  log?(line: string): void
}

/** As `millrace start` runs them. */
const asStarted = ['--max-semi-space-size=8']
const names = ['registry', 'rest', 'console'] as const
const mostBodyBytes = 16_777_216

/** Throws a {@link Finding} that lists what went wrong. */
export async function worstServices({
  only = '',
  mostTurnMs,
  log,
}: WorstServicesOptions): Promise<{ requests: number; longestMs: number }> {
  await using broker = await startBroker({ memory: true, config: { 'message.max.bytes': '104857600' } })
  await using client = openClient({ bootstrap: broker.address })
  const settings = settingsFor(broker.address, { services: names, mostBodyBytes })
  const services = fork(new URL('worst/services-process.ts', import.meta.url), [JSON.stringify(settings)], { execArgv: asStarted })
  try {
    const [ports] = (await once(services, 'message')) as [Record<(typeof names)[number], number>]
    const urls = { registry: '', rest: '', console: '' }
    for (const name of names) urls[name] = `http://127.0.0.1:${ports[name]}`
    const place: Place = { client, urls, cluster: `/v3/clusters/${(await client.cluster()).id}` }
    await furnish(place)
    const problems: string[] = []
    let [requests, longestMs] = [0, 0]
    for (const request of serviceRequests.filter(({ what }) => what.includes(only))) {
      requests++
      const turns = await measured(services, request, place)
      log?.(
        `${turns.map(each => `${each.longestMs.toFixed(0).padStart(5)} of ${each.totalMs.toFixed(0).padStart(6)}`).join(', ')} ms: ${request.what}`,
      )
      const longest = Math.max(...turns.map(each => each.longestMs))
      longestMs = Math.max(longestMs, longest)
      if (longest > mostTurnMs) problems.push(`${request.what}: a turn of ${longest.toFixed(0)} ms`)
    }
    if (problems.length > 0) throw new Finding(problems.join('\n'))
    return { requests, longestMs }
  } finally {
    services.disconnect()
  }
}

async function measured(services: ChildProcess, request: WorstRequest, place: Place): Promise<Turns[]> {
  const turns: Turns[] = []
  await request.prepare?.(place)
  for (let time = 0; time < 2; time++) {
    await report(services)
    await request.send(place)
    turns.push(await report(services))
  }
  return turns
}

async function report(services: ChildProcess): Promise<Turns> {
  services.send('report')
  return (await once(services, 'message'))[0] as Turns
}
