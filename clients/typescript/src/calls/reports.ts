// Reports of messages and users to the staff.

import { type Caller, List } from "../lists.ts";
import type { Body, Query, Report } from "../types.ts";

export class Reports {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  create(report: Body<"create_report">): Promise<Report> {
    return this.#caller.run({ method: "POST", path: "/api/reports/", body: report });
  }

  /** For the staff. */
  list(query: Query<"list_reports"> = {}): List<Report> {
    return new List(this.#caller, "/api/reports/", query);
  }

  /** For the staff. */
  update(id: number, changes: Body<"update_report">): Promise<Report> {
    return this.#caller.run({ method: "PATCH", path: `/api/reports/${id}/`, body: changes });
  }
}
