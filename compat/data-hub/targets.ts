/** The targets of the data hub, each a real server with the connector that fills it. MaxCompute is a stub with the wire format of the official SDK. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Peer, startPeer } from '../connect-sinks/peers.ts'
import { scan } from '../connect-sinks/systems/hbase.ts'
import { files } from '../connect-sinks/systems/hdfs.ts'
import { objects, rowsOf } from '../connect-sinks/systems/s3.ts'
import { accessTo } from '../support/object-access.ts'
import { chosenKind, ObjectServer } from '../support/object-servers.ts'
import { freePorts } from '../support/run.ts'
import { eachMs, firstMs, topic } from './events.ts'
import { Ids } from './ids.ts'

export interface Target {
  readonly name: string
  readonly config: Readonly<Record<string, string>>
  /** kill -9 and a start, or a pause where a kill takes the data of the server with it. */
  readonly harm: 'kill -9' | 'pause'
  /** Resolves when it is well again. */
  hurt(): Promise<void>
  ids(): Promise<Ids>
  stop(): Promise<void>
}

const pausedMs = 5_000
/** Files are completed so often, and offsets with them. */
const rotation = { 'flush.size': '100000', 'rotate.schedule.interval.ms': '15000' }

export async function pause(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  await new Promise(resolve => setTimeout(resolve, pausedMs))
  process.kill(pid, 'SIGCONT')
}

/** One after the other: each takes a JVM. Those that have started are stopped when one does not. */
export async function startTargets(names: readonly string[] | null): Promise<Target[]> {
  const started: Target[] = []
  try {
    for (const [name, start] of Object.entries(starts)) if (names === null || names.includes(name)) started.push(...(await start()))
  } catch (error) {
    for (const target of started.toReversed()) await target.stop()
    throw error
  }
  return started
}

const starts: Readonly<Record<string, () => Promise<readonly Target[]>>> = { elasticsearch, hdfs, hbase, maxcompute, s3 }

function killed(peer: Peer): Pick<Target, 'harm' | 'hurt' | 'stop'> {
  return { harm: 'kill -9', hurt: () => peer.killAndStart(), stop: () => peer.stop() }
}

function paused(peer: Peer): Pick<Target, 'harm' | 'hurt' | 'stop'> {
  return { harm: 'pause', hurt: () => pause(peer.pid), stop: () => peer.stop() }
}

async function elasticsearch(): Promise<Target[]> {
  const first = await freePorts(2)
  const peer = await startPeer('elasticsearch', [first, first + 1])
  const url = `http://127.0.0.1:${first}`
  const ask = async (path: string, body?: object) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(
      `${url}${path}`,
      body === undefined ? { method: 'POST' } : { method: 'POST', headers, body: JSON.stringify(body) },
    )
    if (!response.ok) throw new Error(await response.text())
    return (await response.json()) as { _scroll_id: string; hits: { hits: { _source: { id: number } }[] } }
  }
  return [
    {
      name: 'elasticsearch',
      config: { 'connector.class': 'elasticsearch', 'connection.url': url, 'key.ignore': 'true', 'schema.ignore': 'true' },
      ...killed(peer),
      async ids() {
        const ids = new Ids()
        await ask(`/${topic}/_refresh`)
        let found = await ask(`/${topic}/_search?scroll=1m`, { size: 10_000, _source: ['id'], sort: ['_doc'] })
        while (found.hits.hits.length > 0) {
          for (const { _source } of found.hits.hits) ids.add(_source.id)
          found = await ask('/_search/scroll', { scroll: '1m', scroll_id: found._scroll_id })
        }
        return ids
      },
    },
  ]
}

async function hdfs(): Promise<Target[]> {
  const first = await freePorts(2)
  const peer = await startPeer('hdfs', [first, first + 1, 1])
  const url = `http://127.0.0.1:${first + 1}`
  return [
    {
      name: 'hdfs',
      config: { 'connector.class': 'hdfs', 'hdfs.url': url, 'hdfs.user': 'root', 'format.class': 'json', ...rotation },
      ...killed(peer),
      async ids() {
        const ids = new Ids()
        for await (const body of files(url, `/topics/${topic}`))
          for (const line of body.toString().trim().split('\n')) ids.add((JSON.parse(line) as { id: number }).id)
        return ids
      },
    },
  ]
}

/** With OpenTSDB, which keeps its points there. HBase on a local disk loses its log when it is killed; so it is paused. */
async function hbase(): Promise<Target[]> {
  const first = await freePorts(4)
  const peer = await startPeer('hbase', [first, first + 1, first + 2])
  const url = `http://127.0.0.1:${first + 1}`
  const tsd = await startPeer('opentsdb', [first, first + 1, first + 3]).catch(async error => {
    await peer.stop()
    throw error
  })
  const tsdUrl = `http://127.0.0.1:${first + 3}`
  return [
    {
      name: 'hbase',
      config: {
        'connector.class': 'hbase',
        'hbase.rest.url': url,
        'row.key': '${value.id}',
        'cell.encoding': 'text',
        'auto.create.tables': 'true',
        'auto.create.column.families': 'true',
      },
      ...paused(peer),
      async ids() {
        const ids = new Ids()
        for (const [, cells] of await scan(url, topic)) ids.add(Number(cells['cf:id']!.toString()))
        return ids
      },
    },
    {
      name: 'opentsdb',
      config: {
        'connector.class': 'opentsdb',
        'connection.url': tsdUrl,
        'metric.name': 'web.event',
        'metric.value': '${value.id}',
        'metric.timestamp': '${value.at}',
        'metric.tags': 'site=main',
      },
      ...killed(tsd),
      async ids() {
        const ids = new Ids()
        const response = await fetch(`${tsdUrl}/api/query?start=${firstMs}&end=${firstMs + 10_000_000 * eachMs}&ms=true&m=sum:web.event`)
        if (!response.ok) throw new Error(await response.text())
        const series = (await response.json()) as { dps: Record<string, number> }[]
        for (const { dps } of series) for (const id of Object.values(dps)) ids.add(id)
        return ids
      },
    },
  ]
}

/** The stub keeps everything in memory; so it is paused. */
async function maxcompute(): Promise<Target[]> {
  const port = await freePorts(1)
  const directory = mkdtempSync(join(tmpdir(), 'millrace-data-hub-'))
  const columns = Object.entries({ id: 'bigint', user: 'string', page: 'string', ms: 'int' }).map(([name, type]) => ({ name, type }))
  const tables = { p: { events: { columns, partitionKeys: [{ name: 'pt', type: 'string' }] } } }
  writeFileSync(join(directory, 'tables.json'), JSON.stringify(tables))
  const peer = await startPeer('maxcompute', [port], [join(directory, 'tables.json')])
  const url = `http://127.0.0.1:${port}`
  return [
    {
      name: 'maxcompute',
      config: {
        'connector.class': 'maxcompute',
        tunnel_endpoint: url,
        project: 'p',
        table: 'events',
        access_id: 'AKID',
        access_key: 'SECRET',
        partition: 'pt=${timestamp:yyyyMMddHH}',
        'session.directory': join(directory, 'sessions'),
      },
      ...paused(peer),
      async stop() {
        await peer.stop()
        rmSync(directory, { recursive: true, force: true })
      },
      async ids() {
        const ids = new Ids()
        const tables = (await (await fetch(`${url}/_committed`)).json()) as Record<string, [number][]>
        for (const rows of Object.values(tables)) for (const [id] of rows) ids.add(id)
        return ids
      },
    },
  ]
}

async function s3(): Promise<Target[]> {
  const login = { user: 'millrace', password: 'only-for-tests', bucket: 'events' }
  const kind = chosenKind()
  const server = await ObjectServer.start(kind, await freePorts(kind.ports), login)
  const { client, config } = accessTo(server, login)
  return [
    {
      name: 's3-parquet',
      config: {
        'connector.class': 's3',
        ...config,
        'format.class': 'parquet',
        ...rotation,
      },
      harm: 'kill -9',
      async hurt() {
        await server.kill()
        await server.restart()
      },
      async ids() {
        const ids = new Ids()
        for await (const body of objects(client, login.bucket, `topics/${topic}/`))
          for (const row of await rowsOf(body, ['id'])) ids.add(Number(row['id']))
        return ids
      },
      async stop() {
        client.destroy()
        await server.remove()
      },
    },
  ]
}
