/** Where a connector is: of a sink, what its group has committed; of a source, what it has stored about its own partitions. They change while it is stopped. */
import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { asked, call } from '../../api.ts'
import { useRefresh } from '../../refresh.ts'
import { useRights } from '../../rights.ts'
import { Button, Field, Input } from '../../ui/button.tsx'
import { ConfirmByName, Dialog, DialogForm } from '../../ui/dialog.tsx'
import { Bar, Content } from '../../ui/page.tsx'
import { Empty, Failed, Loading, Refused } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { useConnector } from './connector.tsx'
import css from './connectors.module.css'

const here = getRouteApi('/connectors/$connector/offsets')

export function ConnectorOffsets() {
  const { connector } = here.useParams()
  const { data: info } = useConnector(connector)
  const found = useQuery({ ...asked('GET /connectors/:connector/offsets', { params: { connector } }), refetchInterval: 5_000 })
  const may = useRights({})
  const refresh = useRefresh('/connectors')
  const stopping = useMutation({
    async mutationFn() {
      await call('POST /connectors/:connector/:action', { params: { connector, action: 'stop' }, body: {} })
      await refresh()
    },
  })
  const reset = async () => {
    await call('DELETE /connectors/:connector/offsets', { params: { connector }, query: { confirm: connector } })
    await refresh()
  }
  if (found.isPending || info === undefined) return <Loading />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} needs="DESCRIBE on the cluster" />
  const { offsets } = found.data
  const stopped = info.state === 'STOPPED'
  return (
    <>
      {may('cluster', 'ALTER') && (
        <Bar>
          {stopped ? (
            <ConfirmByName
              title={`Reset the offsets of ${connector}`}
              name={connector}
              action="Reset the offsets"
              trigger={<Button kind="bad">Reset offsets</Button>}
              onConfirm={reset}
            >
              All offsets of the connector will be forgotten. When it is resumed it begins{' '}
              {info.kind === 'sink' ? 'where consumers begin that have no offset' : 'anew'}, and may write again what it has written.
            </ConfirmByName>
          ) : (
            <>
              <Button disabled={stopping.isPending} onClick={() => stopping.mutate()}>
                Stop the connector
              </Button>
              <span className={css['note']}>Offsets change only while it is stopped.</span>
            </>
          )}
        </Bar>
      )}
      {stopping.error !== null && <Refused error={stopping.error} />}
      <Content>
        {offsets.length === 0 ? (
          <Empty title="It has no offsets yet" />
        ) : (
          <Table
            label={`Offsets of ${connector}`}
            heads={['Partition', 'Offset', ...(stopped && may('cluster', 'ALTER') ? ['Change'] : [])]}
            rows={offsets.map(({ partition, offset }) => [
              <code key="partition">{partition}</code>,
              <code key="offset">{offset ?? 'none'}</code>,
              ...(stopped && may('cluster', 'ALTER')
                ? [<Change key="change" connector={connector} partition={partition} offset={offset} done={refresh} />]
                : []),
            ])}
          />
        )}
      </Content>
    </>
  )
}

interface ChangeProps {
  connector: string
  partition: string
  offset: string | null
  done: () => Promise<void>
}

function Change({ connector, partition, offset, done }: ChangeProps) {
  const [open, setOpen] = useState(false)
  const [value, setValue] = useState(offset ?? '')
  const save = async () => {
    const body = { partition, offset: value.trim() === '' ? null : value }
    await call('PATCH /connectors/:connector/offsets', { params: { connector }, body })
    await done()
    setOpen(false)
  }
  return (
    <Dialog title="Change an offset" trigger={<Button small>Change…</Button>} open={open} onOpenChange={setOpen}>
      <DialogForm onSubmit={save} action="Save" disabled={value === offset}>
        <p>
          Of the partition <code>{partition}</code>
        </p>
        <Field label="Offset" hint="As JSON, in the form that it has. Empty: forget it.">
          {id => <Input id={id} value={value} onChange={event => setValue(event.target.value)} autoFocus />}
        </Field>
      </DialogForm>
    </Dialog>
  )
}
