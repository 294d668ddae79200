/** How much users, clients and addresses may do. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { asked, call } from '../api.ts'
import { bytes, short } from '../format.ts'
import { useRights } from '../rights.ts'
import { Button, Field, Input, Select } from '../ui/button.tsx'
import { ConfirmByName, Dialog, DialogForm } from '../ui/dialog.tsx'
import { Bar, Content } from '../ui/page.tsx'
import { Empty, Failed, Loading } from '../ui/states.tsx'
import { Table } from '../ui/table.tsx'

/** Kafka's keys. */
const keys = {
  producer_byte_rate: { title: 'Produce', said: (value: number) => `${bytes(value)}/s` },
  consumer_byte_rate: { title: 'Fetch', said: (value: number) => `${bytes(value)}/s` },
  request_percentage: { title: 'Time of requests', said: (value: number) => `${short(value)} %` },
  controller_mutation_rate: { title: 'Changes of topics', said: (value: number) => `${short(value)}/s` },
  connection_creation_rate: { title: 'New connections', said: (value: number) => `${short(value)}/s` },
} as const
type Key = keyof typeof keys

function nameOf(entity: Record<string, string | null>): string {
  return Object.entries(entity)
    .map(([kind, name]) => `${kind} ${name ?? '(all others)'}`)
    .join(', ')
}

export function Quotas() {
  const found = useQuery(asked('GET /security/quotas', {}))
  const queries = useQueryClient()
  const may = useRights({})
  const refresh = () => queries.invalidateQueries({ queryKey: ['GET /security/quotas'] })
  const remove = async (entity: Record<string, string | null>, key: string) => {
    await call('POST /security/quotas', { body: { entity, values: { [key]: null } } })
    await refresh()
  }
  if (found.isPending) return <Loading />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} needs="DESCRIBE_CONFIGS on the cluster" />
  const rows = found.data.quotas.flatMap(({ entity, values }) => Object.entries(values).map(([key, value]) => ({ entity, key, value })))
  return (
    <>
      <Bar>{may('cluster', 'ALTER_CONFIGS') && <SetQuota done={refresh} />}</Bar>
      <Content>
        {rows.length === 0 ? (
          <Empty title="There are no quotas">
            <p>All may do as much as the brokers can.</p>
          </Empty>
        ) : (
          <Table
            label="Quotas"
            heads={['Of', 'What', 'At most', 'Delete']}
            rows={rows.map(({ entity, key, value }) => [
              nameOf(entity),
              key in keys ? keys[key as Key].title : key,
              <span key="value" title={`${key}=${value}`}>
                {key in keys ? keys[key as Key].said(value) : value}
              </span>,
              <ConfirmByName
                key="delete"
                title="Delete a quota"
                name={nameOf(entity)}
                action="Delete the quota"
                trigger={
                  <Button small disabled={!may('cluster', 'ALTER_CONFIGS')}>
                    Delete…
                  </Button>
                }
                onConfirm={() => remove(entity, key)}
              >
                {key} of {nameOf(entity)} will no longer be limited by this quota.
              </ConfirmByName>,
            ])}
          />
        )}
      </Content>
    </>
  )
}

function SetQuota({ done }: { done: () => Promise<void> }) {
  const [open, setOpen] = useState(false)
  const [kind, setKind] = useState<'user' | 'client-id' | 'ip'>('user')
  const [name, setName] = useState('')
  const [key, setKey] = useState<Key>('producer_byte_rate')
  const [value, setValue] = useState('')
  const save = async () => {
    await call('POST /security/quotas', { body: { entity: { [kind]: name === '' ? null : name }, values: { [key]: Number(value) } } })
    await done()
    setOpen(false)
  }
  return (
    <Dialog title="Set a quota" trigger={<Button>Set quota</Button>} open={open} onOpenChange={setOpen}>
      <DialogForm onSubmit={save} action="Save" disabled={value === ''}>
        <Field label="Of">
          {id => (
            <Select id={id} value={kind} onChange={event => setKind(event.target.value as typeof kind)}>
              <option value="user">a user</option>
              <option value="client-id">a client id</option>
              <option value="ip">an address</option>
            </Select>
          )}
        </Field>
        <Field label="Name" hint="Empty: all that have none of their own.">
          {id => <Input id={id} value={name} onChange={event => setName(event.target.value)} autoFocus />}
        </Field>
        <Field label="What">
          {id => (
            <Select id={id} value={key} onChange={event => setKey(event.target.value as Key)}>
              {Object.entries(keys).map(([each, { title }]) => (
                <option key={each} value={each}>
                  {title} ({each})
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field label="At most" hint="Bytes or number per second, or percent of a thread's time.">
          {id => <Input id={id} type="number" min={0} step="any" value={value} onChange={event => setValue(event.target.value)} />}
        </Field>
      </DialogForm>
    </Dialog>
  )
}
