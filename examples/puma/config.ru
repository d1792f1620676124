run lambda { |environment| [200, { "content-type" => "text/plain" }, ["release 1\n"]] }
