/** One record in full: as a tree, as it is, its headers, and its bytes. */
import { useQuery } from '@tanstack/react-query'
import { Tabs } from 'radix-ui'
import { useEffect, useMemo } from 'react'
import { asked } from '../api.ts'
import { bytes, count, time, utc } from '../format.ts'
import { Button } from '../ui/button.tsx'
import { hexOf } from '../ui/hex.ts'
import { JsonTree, parseJson } from '../ui/json-tree.tsx'
import { Failed, Loading } from '../ui/states.tsx'
import css from './drawer.module.css'
import type { ShownRecord } from './messages-stream.ts'

interface DrawerProps {
  topic: string
  /** `partition:offset`. */
  place: string
  /** From the list; perhaps cut. */
  known: ShownRecord | undefined
  close: () => void
}

export function Drawer({ topic, place, known, close }: DrawerProps) {
  const [partition = '0', offset = '0'] = place.split(':')
  const isCut = (record: ShownRecord) =>
    [record.key, record.value, ...record.headers.map(each => each.value)].some(each => each?.cut === true)
  const whole = useQuery({
    ...asked('GET /topics/:topic/messages/:partition/:offset', { params: { topic, partition: Number(partition), offset } }),
    enabled: known === undefined || isCut(known),
    staleTime: Number.POSITIVE_INFINITY,
  })
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key === 'Escape') close()
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
        <Button kind="quiet" small onClick={close} aria-label="Close the record">
          ✕
        </Button>
      </header>
      {record === undefined ? (
        whole.isError ? (
          <Failed error={whole.error} retry={() => void whole.refetch()} />
        ) : (
          <Loading rows={4} />
        )
      ) : (
        <Content record={record} />
      )}
    </aside>
  )
}

function Content({ record }: { record: ShownRecord }) {
  const { key, value, headers, timestamp } = record
  return (
    <>
      <dl className={css['facts']}>
        <dt>Time</dt>
        <dd title={utc(timestamp)}>{time(timestamp)}</dd>
        <dt>Key</dt>
        <dd className={css['mono']}>{key === null ? <em>no key</em> : key.form === 'text' ? key.text : hexOf(key, 64)}</dd>
        <dt>Value</dt>
        <dd>
          {value === null ? (
            <em>none: a tombstone</em>
          ) : (
            `${count(value.bytes)} bytes${value.cut ? `, cut to ${bytes(value.text.length)}` : ''}`
          )}
        </dd>
      </dl>
      <Value value={value} headers={headers} />
    </>
  )
}

function Value({ value, headers }: Pick<ShownRecord, 'value' | 'headers'>) {
  const tree = useMemo(() => (value?.form === 'text' ? parseJson(value.text) : undefined), [value])
  const first = value === null ? 'headers' : tree !== undefined ? 'tree' : value.form === 'text' ? 'raw' : 'hex'
  return (
    <Tabs.Root defaultValue={first} className={css['tabs']}>
      <div className={css['bar']}>
        <Tabs.List className={css['list']} aria-label="Forms">
          {tree !== undefined && <Tabs.Trigger value="tree">Tree</Tabs.Trigger>}
          {value?.form === 'text' && <Tabs.Trigger value="raw">Raw</Tabs.Trigger>}
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
        <pre className={css['hex']}>{value !== null && hexOf(value, 16_384)}</pre>
      </Tabs.Content>
    </Tabs.Root>
  )
}

function Headers({ headers }: Pick<ShownRecord, 'headers'>) {
  return (
    <dl className={css['facts']}>
      {headers.map(({ key, value }, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: two headers may have one name
        <div key={at} className={css['pair']}>
          <dt>{key}</dt>
          <dd className={css['mono']}>{value === null ? <em>none</em> : value.form === 'text' ? value.text : hexOf(value, 256)}</dd>
        </div>
      ))}
    </dl>
  )
}
