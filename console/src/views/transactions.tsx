/** Transactions: which are open, since when, and to abort one. */
import { useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { asked, call, type Output } from '../api.ts'
import { count, counted, duration, time, utc } from '../format.ts'
import { Button, Check, Field, Input } from '../ui/button.tsx'
import dialog from '../ui/dialog.module.css'
import { Dialog, DialogForm } from '../ui/dialog.tsx'
import type { Column } from '../ui/grid.tsx'
import { Mark } from '../ui/mark.tsx'
import { useNameSearch } from '../ui/name-search.tsx'
import { Bar, Page } from '../ui/page.tsx'
import { pageSize, usePages } from '../ui/paged.ts'
import { PagedGrid } from '../ui/paged-grid.tsx'
import { Empty } from '../ui/states.tsx'

type Row = Output<'GET /transactions'>['rows'][number]

const here = getRouteApi('/transactions')

const columns: readonly Column<Row>[] = [
  { id: 'id', title: 'Transactional id', width: 'minmax(140px, 1fr)', cell: row => <span title={row.id}>{row.id}</span> },
  { id: 'state', title: 'State', width: '148px', cell: ({ state }) => <State state={state} /> },
  { id: 'age', title: 'Open for', width: '100px', right: true, cell: row => <Age row={row} /> },
  { id: 'partitions', title: 'Partitions', width: '92px', right: true, wideOnly: true, cell: row => count(row.partitions) },
  {
    id: 'timeout',
    title: 'Timeout',
    width: '92px',
    right: true,
    wideOnly: true,
    cell: row => (row.timeoutMs === null ? '–' : duration(row.timeoutMs)),
  },
  { id: 'producer', title: 'Producer id', width: '128px', right: true, mono: true, wideOnly: true, cell: row => row.producerId },
]

function State({ state }: { state: string }) {
  return <Mark tone={state === 'Ongoing' ? 'good' : state.startsWith('Prepare') ? 'warn' : 'idle'}>{state.toLowerCase()}</Mark>
}

function Age({ row: { started, timeoutMs } }: { row: Row }) {
  if (started === null) return '–'
  const age = Date.now() - Number(started)
  const late = timeoutMs !== null && age > timeoutMs / 2
  return <span title={`since ${utc(started)}`}>{late ? <strong>{duration(age)}</strong> : duration(age)}</span>
}

export function Transactions() {
  const { all = false } = here.useSearch()
  const navigate = useNavigate({ from: '/transactions' })
  const [chosen, setChosen] = useState<Row | null>(null)
  const { wanted, box } = useNameSearch('Search transactions')
  const pages = usePages(from => asked('GET /transactions', { query: { search: wanted, open: !all, limit: pageSize, from } }), 5_000)
  return (
    <Page
      title="Transactions"
      facts={pages.first.data === undefined ? [] : [counted(pages.total, all ? 'transaction' : 'open transaction')]}
    >
      <Bar>
        {box}
        <Check
          label="Ended ones, too"
          checked={all}
          onChange={checked => void navigate({ replace: true, search: before => ({ ...before, all: checked || undefined }) as never })}
        />
      </Bar>
      <PagedGrid
        pages={pages}
        label="Transactions"
        columns={columns}
        keyOf={row => row.id}
        onOpen={setChosen}
        empty={
          <Empty title={all ? 'There are no transactions' : 'No transaction is open'}>
            <p>An open transaction holds up readers of committed records from its first record on.</p>
          </Empty>
        }
      />
      {chosen !== null && <Transaction key={chosen.id} row={chosen} close={() => setChosen(null)} />}
    </Page>
  )
}

function Transaction({ row: { id, state, started, partitions }, close }: { row: Row; close: () => void }) {
  const [typed, setTyped] = useState('')
  const queries = useQueryClient()
  const abort = async () => {
    await call('DELETE /transactions/:id', { params: { id }, query: { confirm: id } })
    await queries.invalidateQueries({ queryKey: ['GET /transactions'] })
    close()
  }
  if (started === null)
    return (
      <Dialog title={id} open onOpenChange={close}>
        <div className={dialog['text']}>
          <p>Its last transaction has ended ({state}). There is nothing to abort.</p>
          <Button onClick={close}>Close</Button>
        </div>
      </Dialog>
    )
  return (
    <Dialog title={`Abort the transaction of ${id}`} open onOpenChange={close}>
      <DialogForm onSubmit={abort} action="Abort the transaction" bad disabled={typed !== id}>
        <p>
          Open since {time(started)}, in {counted(partitions ?? 0, 'partition')}. Its records will never be seen by readers of committed
          records, and the producer that has this id now is fenced: it has to begin anew.
        </p>
        <Field label={`Type ${id} to confirm`}>
          {field => <Input id={field} value={typed} onChange={event => setTyped(event.target.value)} autoFocus />}
        </Field>
      </DialogForm>
    </Dialog>
  )
}
