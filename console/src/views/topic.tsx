/** What the parts of a topic have in common: its name, how large it is, and what destroys it. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Outlet, useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { asked, call, type Output } from '../api.ts'
import { bytes, count, counted, short } from '../format.ts'
import { Field, Input } from '../ui/button.tsx'
import { ConfirmByName, Dialog, DialogForm } from '../ui/dialog.tsx'
import { Menu } from '../ui/menu.tsx'
import { Page } from '../ui/page.tsx'
import { Failed } from '../ui/states.tsx'
import { Produce } from './produce.tsx'

const here = getRouteApi('/topics/$topic')

export function Topic() {
  const { topic } = here.useParams()
  const info = useQuery({ ...asked('GET /topics/:topic', { params: { topic } }), refetchInterval: 10_000 })
  const params = { topic }
  const { partitions, records, bytes: size, may = null } = info.data ?? {}
  const rate = useRate(topic, partitions, info.dataUpdatedAt)
  if (info.isError && info.data === undefined)
    return (
      <Page title={topic}>
        <Failed error={info.error} retry={() => void info.refetch()} needs={`DESCRIBE on the topic ${topic}`} />
      </Page>
    )
  const allowed = (operation: string) => may === null || may.includes(operation)
  const facts =
    partitions === undefined
      ? []
      : [
          counted(partitions.length, 'partition'),
          ...(records == null ? [] : [counted(records, 'record')]),
          <span key="size" title={size === null ? 'Not known' : `${count(size!)} bytes on all brokers`}>
            {bytes(size!)}
          </span>,
          ...(rate === null ? [] : [`${short(rate)} rec/s`]),
        ]
  return (
    <Page
      title={topic}
      facts={facts}
      actions={
        <>
          {allowed('WRITE') && <Produce topic={topic} partitions={partitions?.length ?? 1} />}
          {(allowed('ALTER') || allowed('DELETE')) && (
            <More topic={topic} partitions={partitions?.length ?? 0} records={records ?? '0'} allowed={allowed} />
          )}
        </>
      }
      tabs={[
        { title: 'Messages', to: '/topics/$topic/messages', params },
        { title: 'Partitions', to: '/topics/$topic/partitions', params },
        { title: 'Groups', to: '/topics/$topic/groups', params },
        { title: 'Config', to: '/topics/$topic/config', params },
        { title: 'Schema', to: '/topics/$topic/schema', params },
        { title: 'Access', to: '/topics/$topic/acl', params },
      ]}
    >
      <Outlet />
    </Page>
  )
}

/** How many records a second, between the last two answers; null: there are not two yet. */
function useRate(topic: string, partitions: Output<'GET /topics/:topic'>['partitions'] | undefined, atMs: number): number | null {
  const before = useRef<{ topic: string; ends: bigint; atMs: number } | null>(null)
  const [rate, setRate] = useState<number | null>(null)
  useEffect(() => {
    if (partitions === undefined) return
    const ends = partitions.reduce((sum, { end }) => sum + BigInt(end ?? 0), 0n)
    const last = before.current
    if (last?.topic !== topic) setRate(null)
    else if (atMs > last.atMs) setRate((Math.max(Number(ends - last.ends), 0) / (atMs - last.atMs)) * 1000)
    before.current = { topic, ends, atMs }
  }, [topic, partitions, atMs])
  return rate
}

interface MoreProps {
  topic: string
  partitions: number
  records: string
  allowed: (operation: string) => boolean
}

function More({ topic, partitions, records, allowed }: MoreProps) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const params = { topic }
  const [shown, setShown] = useState<'partitions' | 'empty' | 'delete' | null>(null)
  const refresh = () => queries.invalidateQueries()
  const empty = async () => {
    await call('DELETE /topics/:topic/records', { params, query: { confirm: topic } })
    await refresh()
  }
  const remove = async () => {
    await call('DELETE /topics/:topic', { params, query: { confirm: topic } })
    await navigate({ to: '/topics' })
    await refresh()
  }
  const close = () => setShown(null)
  return (
    <>
      <Menu
        label="More"
        groups={[
          allowed('ALTER') ? [{ title: 'Add partitions…', onSelect: () => setShown('partitions') }] : [],
          allowed('DELETE')
            ? [
                { title: 'Empty…', bad: true, onSelect: () => setShown('empty') },
                { title: 'Delete…', bad: true, onSelect: () => setShown('delete') },
              ]
            : [],
        ]}
      />
      {shown === 'partitions' && <AddPartitions topic={topic} now={partitions} done={refresh} close={close} />}
      {shown === 'empty' && (
        <ConfirmByName title={`Empty ${topic}`} name={topic} action="Delete all records" onClose={close} onConfirm={empty}>
          All {counted(records, 'record')} that are there now will be deleted. The topic and its configuration stay. This cannot be undone.
        </ConfirmByName>
      )}
      {shown === 'delete' && (
        <ConfirmByName title={`Delete ${topic}`} name={topic} action="Delete the topic" onClose={close} onConfirm={remove}>
          The topic with its {counted(partitions, 'partition')} and {counted(records, 'record')} will be deleted. This cannot be undone.
        </ConfirmByName>
      )}
    </>
  )
}

function AddPartitions({ topic, now, done, close }: { topic: string; now: number; done: () => Promise<void>; close: () => void }) {
  const [wanted, setWanted] = useState('')
  const add = async () => {
    await call('POST /topics/:topic/partitions', { params: { topic }, body: { count: Number(wanted) } })
    close()
    await done()
  }
  return (
    <Dialog title={`Add partitions to ${topic}`} open onOpenChange={close}>
      <DialogForm onSubmit={add} action="Add" disabled={wanted === ''}>
        <Field
          label="Number of partitions"
          hint={`Now: ${now}. New records of a key may go to another partition than those before. There is no way back.`}
        >
          {id => <Input id={id} type="number" min={now + 1} value={wanted} onChange={event => setWanted(event.target.value)} autoFocus />}
        </Field>
      </DialogForm>
    </Dialog>
  )
}
