import { JournalDamaged } from './journal-damaged.js';
import { openMeta } from './meta-rows.js';
import { MIGRATIONS } from './migrations.js';
import { connect, connectInMemory, type SqliteDatabase } from './sqlite-database.js';

/** The first step from which the journal stores the number of applied steps, with a checksum. */
const FIRST_NOTED_STEP = 2;

/**
 * Opens or creates the journal's file and migrates its schema. Throws when a newer version has written it, and
 * `JournalDamaged` when its schema is not that of any version.
 */
export function openDatabase(path: string): SqliteDatabase {
  const database = connect(path);
  try {
    migrate(database);
    requireSchema(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function migrate(database: SqliteDatabase): void {
  const done = Number(database.pragma('user_version', { simple: true }));
  requireNoted(database, done);
  if (done > MIGRATIONS.length) {
    throw new Error(`journal.db was written by a newer version (schema ${done}, this one knows ${MIGRATIONS.length})`);
  }
  for (let step = done; step < MIGRATIONS.length; step += 1) {
    database.transaction(() => {
      database.exec(MIGRATIONS[step] ?? '');
      database.pragma(`user_version = ${step + 1}`);
      if (step + 1 >= FIRST_NOTED_STEP) openMeta(database).set('schema', String(step + 1));
    })();
  }
}

/** `user_version` is an unprotected number in the file's header: a value other than the noted one is damage. */
function requireNoted(database: SqliteDatabase, done: number): void {
  const isNew = database.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
  if (isNew && done === 0) return;
  const hasSums = database.prepare(`SELECT 1 FROM pragma_table_info('meta') WHERE name = 'sum'`).get() !== undefined;
  const noted = hasSums ? openMeta(database).get('schema') : String(FIRST_NOTED_STEP - 1);
  if (noted !== String(done)) throw new JournalDamaged('the number of its schema is not as it was written');
}

/** The expected schema comes from a new database in memory, which takes 2 ms. */
function requireSchema(database: SqliteDatabase): void {
  const fresh = connectInMemory();
  migrate(fresh);
  if (schemaOf(database) !== schemaOf(fresh)) throw new JournalDamaged('its schema is not as it was made');
  fresh.close();
}

const schemaOf = (database: SqliteDatabase): string =>
  JSON.stringify(database.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all());
