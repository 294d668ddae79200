/** What clients are asked to measure and send to the brokers (KIP-714). */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { asked, call } from '../api.ts'
import { useRights } from '../rights.ts'
import { Button, Field, Input } from '../ui/button.tsx'
import { ConfirmByName, Dialog, DialogForm } from '../ui/dialog.tsx'
import { Page } from '../ui/page.tsx'
import { Command, Empty, Failed, Loading } from '../ui/states.tsx'
import { Table } from '../ui/table.tsx'
import { brokerTabs } from './broker-tabs.ts'
import css from './overview.module.css'

export function ClientMetrics() {
  const found = useQuery(asked('GET /client-metrics', {}))
  const queries = useQueryClient()
  const may = useRights({})
  const refresh = () => queries.invalidateQueries({ queryKey: ['GET /client-metrics'] })
  const remove = async (name: string) => {
    await call('DELETE /client-metrics/:name', { params: { name }, query: { confirm: name } })
    await refresh()
  }
  return (
    <Page title="Brokers" tabs={brokerTabs} actions={may('cluster', 'ALTER_CONFIGS') && <Subscribe done={refresh} />}>
      {found.isPending ? (
        <Loading rows={3} />
      ) : found.isError ? (
        <Failed error={found.error} retry={() => void found.refetch()} needs="DESCRIBE_CONFIGS on the cluster" />
      ) : found.data.subscriptions.length === 0 ? (
        <Empty title="Clients are not asked for metrics">
          <p>Java clients since 3.7, and others, send metrics of their own to the brokers if a subscription asks for them.</p>
          <Command text="kafka-client-metrics.sh --bootstrap-server localhost:9092 --alter --generate-name --metrics '' --interval 60000" />
        </Empty>
      ) : (
        <div className={css['overview']}>
          <Table
            label="Subscriptions"
            heads={['Subscription', 'Metrics', 'Every', 'Of clients', 'Delete']}
            rows={found.data.subscriptions.map(({ name, metrics, intervalMs, match }) => [
              name,
              <code key="metrics">{metrics === '' ? 'none' : metrics}</code>,
              `${Number(intervalMs) / 1000} s`,
              <code key="match">{match === '' ? 'all' : match}</code>,
              <ConfirmByName
                key="delete"
                title={`Delete ${name}`}
                name={name}
                action="Delete the subscription"
                trigger={
                  <Button small disabled={!may('cluster', 'ALTER_CONFIGS')}>
                    Delete…
                  </Button>
                }
                onConfirm={() => remove(name)}
              >
                Clients stop to send these metrics.
              </ConfirmByName>,
            ])}
          />
        </div>
      )}
    </Page>
  )
}

function Subscribe({ done }: { done: () => Promise<void> }) {
  const [open, setOpen] = useState(false)
  const [name, setName] = useState('')
  const [metrics, setMetrics] = useState('org.apache.kafka.')
  const [seconds, setSeconds] = useState('60')
  const [match, setMatch] = useState('')
  const save = async () => {
    const changes = { metrics, 'interval.ms': String(Math.round(Number(seconds) * 1000)), ...(match === '' ? {} : { match }) }
    await call('PATCH /config/:kind/:name', { params: { kind: 'client-metrics', name }, body: { changes } })
    await done()
    setOpen(false)
  }
  return (
    <Dialog title="Ask clients for metrics" trigger={<Button kind="main">Subscribe</Button>} open={open} onOpenChange={setOpen}>
      <DialogForm onSubmit={save} action="Subscribe" disabled={name === ''}>
        <Field label="Name">{id => <Input id={id} value={name} onChange={event => setName(event.target.value)} autoFocus />}</Field>
        <Field label="Metrics" hint="Beginnings of names, separated by commas.">
          {id => <Input id={id} value={metrics} onChange={event => setMetrics(event.target.value)} />}
        </Field>
        <Field label="Every so many seconds">
          {id => <Input id={id} type="number" min={0.1} step="any" value={seconds} onChange={event => setSeconds(event.target.value)} />}
        </Field>
        <Field label="Of clients" hint="Such as client_id=app-.*; empty: of all.">
          {id => <Input id={id} value={match} onChange={event => setMatch(event.target.value)} />}
        </Field>
      </DialogForm>
    </Dialog>
  )
}
