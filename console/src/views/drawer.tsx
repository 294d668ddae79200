/** One record in full: as a tree, as it is, its headers, and its bytes. */
import { useQuery } from '@tanstack/react-query'
import { Tabs } from 'radix-ui'
import { useEffect, useMemo, useState } from 'react'
import { asked, bytesOf, hrefOf } from '../api.ts'
import { bytes, count, time, utc } from '../format.ts'
import { useRights } from '../rights.ts'
import { Button } from '../ui/button.tsx'
import { fromBase64, hexOf } from '../ui/hex.ts'
import { JsonTree, parseJson } from '../ui/json-tree.tsx'
import { Failed, Loading } from '../ui/states.tsx'
import css from './drawer.module.css'
import type { ShownBytes, ShownRecord } from './messages-stream.ts'
import { ProduceAgain } from './produce.tsx'
import { isDeadLetter, Redrive } from './redrive.tsx'

interface DrawerProps {
  topic: string
  /** `partition:offset`. */
  place: string
  /** From the list; perhaps cut. */
  known: ShownRecord | undefined
  decoding: { key: string | undefined; value: string | undefined }
  close: () => void
}

const firstMost = 65_536
/** A browser shows this much text without trouble; the rest can be saved. */
const largestMost = 4_194_304

function isCut(record: ShownRecord): boolean {
  return [record.key, record.value, ...record.headers.map(each => each.value)].some(each => each?.cut === true)
}

export function Drawer({ topic, place, known, decoding, close }: DrawerProps) {
  const [partition = '0', offset = '0'] = place.split(':')
  const [most, setMost] = useState(firstMost)
  const may = useRights({ topic })
  const params = { topic, partition: Number(partition), offset }
  const whole = useQuery({
    ...asked('GET /topics/:topic/messages/:partition/:offset', { params, query: { ...decoding, most } }),
    enabled: known === undefined || isCut(known),
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: before => before,
  })
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      // A dialog that is open takes it first.
      if (event.key === 'Escape' && !event.defaultPrevented && document.querySelector('[role=dialog]') === null) close()
    }
    window.addEventListener('keydown', listen)
    return () => window.removeEventListener('keydown', listen)
  }, [close])
  const record = whole.data ?? known
  return (
    <aside className={css['drawer']} aria-label="Record">
      <header className={css['header']}>
        <h2>
          Partition {partition}, offset {count(offset)}
        </h2>
        <span className={css['actions']}>
          {record !== undefined && isDeadLetter(record) && <Redrive topic={topic} records={[record]} />}
          {record !== undefined && !isCut(record) && may('topic', 'WRITE') && <ProduceAgain topic={topic} record={record} />}
          <Button kind="quiet" small onClick={close} aria-label="Close the record">
            ✕
          </Button>
        </span>
      </header>
      {record === undefined ? (
        whole.isError ? (
          <Failed error={whole.error} retry={() => void whole.refetch()} />
        ) : (
          <Loading rows={4} />
        )
      ) : (
        <>
          <Facts record={record} />
          {record.value?.problem != null && <p className={css['problem']}>The value could not be decoded: {record.value.problem}</p>}
          {record.value?.cut === true && (
            <p className={css['cut']}>
              <span>Only the beginning is shown.</span>
              {most < largestMost && (
                <Button small disabled={whole.isFetching} onClick={() => setMost(most * 8)}>
                  Show more
                </Button>
              )}
              <a href={hrefOf('GET /topics/:topic/messages/:partition/:offset/:part', { params: { ...params, part: 'value' } })} download>
                Save all {bytes(record.value.bytes)}
              </a>
            </p>
          )}
          <Value key={`${most} ${whole.dataUpdatedAt}`} record={record} params={params} />
        </>
      )}
    </aside>
  )
}

function Facts({ record: { key, value, timestamp } }: { record: ShownRecord }) {
  return (
    <dl className={css['facts']}>
      <dt>Time</dt>
      <dd title={utc(timestamp)}>{time(timestamp)}</dd>
      <dt>Key</dt>
      <dd className={css['mono']}>
        {key === null ? <em>no key</em> : key.form === 'text' ? key.text.slice(0, 1_000) : hexOf(fromBase64(key.text), 64)}
      </dd>
      <dt>Value</dt>
      <dd>{value === null ? <em>none: a tombstone</em> : `${count(value.bytes)} bytes${madeOf(value)}`}</dd>
    </dl>
  )
}

function madeOf({ serde, schema }: ShownBytes): string {
  if (schema === null) return serde === null ? '' : ` · ${serde}`
  const id = schema.id === null ? '' : `, schema ${schema.id}`
  return ` · ${serde}${schema.name === null ? '' : ` ${schema.name}`}${id}`
}

interface Place {
  topic: string
  partition: number
  offset: string
}

function Value({ record: { value, headers }, params }: { record: ShownRecord; params: Place }) {
  const tree = useMemo(() => (value?.form === 'text' ? parseJson(value.text) : undefined), [value])
  const first = value === null ? 'headers' : tree !== undefined ? 'tree' : value.form === 'text' ? 'raw' : 'hex'
  return (
    <Tabs.Root defaultValue={first} className={css['tabs']}>
      <div className={css['bar']}>
        <Tabs.List className={css['list']} aria-label="Forms">
          {tree !== undefined && <Tabs.Trigger value="tree">Tree</Tabs.Trigger>}
          {value?.form === 'text' && <Tabs.Trigger value="raw">{value.serde === null ? 'Raw' : 'JSON'}</Tabs.Trigger>}
          <Tabs.Trigger value="headers">Headers ({headers.length})</Tabs.Trigger>
          {value !== null && <Tabs.Trigger value="hex">Hex</Tabs.Trigger>}
        </Tabs.List>
        {value?.form === 'text' && (
          <Button small kind="quiet" onClick={() => void navigator.clipboard.writeText(value.text)}>
            Copy
          </Button>
        )}
      </div>
      <Tabs.Content value="tree" className={css['content']}>
        {tree !== undefined && <JsonTree value={tree} />}
      </Tabs.Content>
      <Tabs.Content value="raw" className={css['content']}>
        <pre className={css['raw']}>{value?.text}</pre>
      </Tabs.Content>
      <Tabs.Content value="headers" className={css['content']}>
        {headers.length === 0 ? <p className={css['none']}>This record has no headers.</p> : <Headers headers={headers} />}
      </Tabs.Content>
      <Tabs.Content value="hex" className={css['content']}>
        <Hex params={params} />
      </Tabs.Content>
    </Tabs.Root>
  )
}

const mostHex = 16_384

function Hex({ params }: { params: Place }) {
  const found = useQuery({
    queryKey: ['bytes', params],
    queryFn: ({ signal }) =>
      bytesOf(
        'GET /topics/:topic/messages/:partition/:offset/:part',
        { params: { ...params, part: 'value' }, query: { most: mostHex } },
        signal,
      ),
    staleTime: Number.POSITIVE_INFINITY,
  })
  if (found.isPending) return <Loading rows={2} />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} />
  return (
    <>
      <pre className={css['hex']}>{hexOf(found.data, mostHex)}</pre>
      {found.data.length === mostHex && <p className={css['none']}>The first {count(mostHex)} bytes.</p>}
    </>
  )
}

function Headers({ headers }: Pick<ShownRecord, 'headers'>) {
  return (
    <dl className={css['facts']}>
      {headers.map(({ key, value }, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: two headers may have one name
        <div key={at} className={css['pair']}>
          <dt>{key}</dt>
          <dd className={css['mono']}>
            {value === null ? <em>none</em> : value.form === 'text' ? value.text : hexOf(fromBase64(value.text), 256)}
          </dd>
        </div>
      ))}
    </dl>
  )
}
