/** What the parts of a topic have in common: its name, how large it is, and what destroys it. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Outlet, useNavigate } from '@tanstack/react-router'
import { DropdownMenu } from 'radix-ui'
import { type ReactNode, useState } from 'react'
import { asked, call } from '../api.ts'
import { bytes, count, counted } from '../format.ts'
import { Button, Field, Input } from '../ui/button.tsx'
import { ConfirmByName, Dialog, DialogForm } from '../ui/dialog.tsx'
import menu from '../ui/menu.module.css'
import { Page } from '../ui/page.tsx'
import { Failed } from '../ui/states.tsx'
import { Produce } from './produce.tsx'

const here = getRouteApi('/topics/$topic')

export function Topic() {
  const { topic } = here.useParams()
  const info = useQuery({ ...asked('GET /topics/:topic', { params: { topic } }), refetchInterval: 10_000 })
  const params = { topic }
  if (info.isError && info.data === undefined)
    return (
      <Page title={topic}>
        <Failed error={info.error} retry={() => void info.refetch()} />
      </Page>
    )
  const { partitions, records, bytes: size, may = null } = info.data ?? {}
  const allowed = (operation: string) => may === null || may.includes(operation)
  const facts =
    partitions === undefined
      ? []
      : [
          counted(partitions.length, 'partition'),
          counted(records!, 'record'),
          <span key="size" title={size === null ? 'Not known' : `${count(size!)} bytes on all brokers`}>
            {bytes(size!)}
          </span>,
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
        { title: 'Config', to: '/topics/$topic/config', params },
      ]}
    >
      <Outlet />
    </Page>
  )
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
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>
        <Button aria-label="More">⋯</Button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className={menu['menu']} align="end" sideOffset={4}>
          {allowed('ALTER') && <AddPartitions topic={topic} now={partitions} done={refresh} trigger={<Item>Add partitions…</Item>} />}
          {allowed('DELETE') && (
            <>
              <ConfirmByName
                title={`Empty ${topic}`}
                name={topic}
                action="Delete all records"
                trigger={<Item bad>Empty…</Item>}
                onConfirm={empty}
              >
                All {counted(records, 'record')} that are there now will be deleted. The topic and its configuration stay. This cannot be
                undone.
              </ConfirmByName>
              <ConfirmByName
                title={`Delete ${topic}`}
                name={topic}
                action="Delete the topic"
                trigger={<Item bad>Delete…</Item>}
                onConfirm={remove}
              >
                The topic with its {counted(partitions, 'partition')} and {counted(records, 'record')} will be deleted. This cannot be
                undone.
              </ConfirmByName>
            </>
          )}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

/** Opens a dialog, over which the menu stays. */
function Item({ bad = false, children, ...rest }: { bad?: boolean; children: ReactNode }) {
  return (
    <DropdownMenu.Item className={`${menu['item']} ${bad ? menu['bad'] : ''}`} {...rest} onSelect={event => event.preventDefault()}>
      {children}
    </DropdownMenu.Item>
  )
}

function AddPartitions({ topic, now, done, trigger }: { topic: string; now: number; done: () => Promise<void>; trigger: ReactNode }) {
  const [open, setOpen] = useState(false)
  const [wanted, setWanted] = useState('')
  const add = async () => {
    await call('POST /topics/:topic/partitions', { params: { topic }, body: { count: Number(wanted) } })
    setOpen(false)
    await done()
  }
  return (
    <Dialog title={`Add partitions to ${topic}`} trigger={trigger} open={open} onOpenChange={setOpen}>
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
