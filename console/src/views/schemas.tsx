/** All subjects of the schema registry. */
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { count, counted } from '../format.ts'
import { type Column, Grid } from '../ui/grid.tsx'
import { useNameSearch } from '../ui/name-search.tsx'
import { Bar, Page } from '../ui/page.tsx'
import { pageSize, usePages } from '../ui/paged.ts'
import { Command, Empty, Failed, Loading } from '../ui/states.tsx'
import { NewSubject } from './schema-editor.tsx'

type Row = Output<'GET /schemas'>['rows'][number]

const here = getRouteApi('/schemas')

const columns: readonly Column<Row>[] = [
  {
    id: 'subject',
    title: 'Subject',
    width: 'minmax(140px, 1fr)',
    cell: ({ subject }) => (
      <Link to="/schemas/$subject" params={{ subject }} title={subject} onClick={event => event.stopPropagation()} tabIndex={-1}>
        {subject}
      </Link>
    ),
  },
  { id: 'type', title: 'Type', width: '100px', cell: row => row.type ?? '–' },
  { id: 'version', title: 'Newest version', width: '128px', right: true, wideOnly: true, cell: row => count(row.version) },
  { id: 'id', title: 'Id', width: '80px', right: true, mono: true, wideOnly: true, cell: row => count(row.id) },
]

export function Schemas() {
  const { search = '' } = here.useSearch()
  const navigate = useNavigate({ from: '/schemas' })
  const { wanted, box } = useNameSearch(
    'Search subjects',
    search,
    text => void navigate({ replace: true, search: before => ({ ...before, search: text }) as never }),
  )
  const { first, total, rowAt, onSight } = usePages(from => asked('GET /schemas', { query: { search: wanted, limit: pageSize, from } }))
  return (
    <Page title="Schemas" facts={first.data === undefined ? [] : [counted(total, 'subject')]} actions={<NewSubject />}>
      <Bar>{box}</Bar>
      {first.isPending ? (
        <Loading />
      ) : first.isError && first.data === undefined ? (
        <Failed error={first.error} retry={() => void first.refetch()} />
      ) : total === 0 ? (
        <Empty title={wanted === '' ? 'There are no schemas yet' : 'No subject has this name'}>
          {wanted === '' && (
            <>
              <p>The subject of the values of a topic is its name with -value, that of its keys its name with -key.</p>
              <Command text="millrace schema register orders-value order.avsc" />
            </>
          )}
        </Empty>
      ) : (
        <Grid
          label="Subjects"
          columns={columns}
          count={total}
          rowAt={rowAt}
          keyOf={index => rowAt(index)?.subject ?? index}
          onSight={onSight}
          onOpen={({ subject }) => void navigate({ to: '/schemas/$subject', params: { subject } })}
        />
      )}
    </Page>
  )
}
